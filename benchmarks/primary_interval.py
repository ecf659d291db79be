"""Coverage of the primary interval and level of its test, by simulation.

Two situations. `shared`: all seeds are tested on the same faces; an outcome is a threshold of a sum
of normal effects of the seed, the person, the face and their pairs, so that the true accuracy is
known. `redrawn`: nearest class means learn from a finite set of persons that every seed splits
anew; the true accuracy is the mean over 300 other sets. Persons have one to seven faces. The
interval of one variant should hold its accuracy in 93 to 97 % of the samples; the test of two equal
variants should reject in 3.5 to 6.5 %. Beside the formula of `ferbench.stats.components` stands the
plain sum of V_seed (Nadeau and Bengio's where splits are redrawn) and V_test.

    python benchmarks/primary_interval.py --samples 1000

Writes benchmarks/results/primary_interval.csv: minutes.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from ferbench.stats.components import Components, error_of, variance_components
from ferbench.stats.primary import bounds_of

RESULT = Path(__file__).parent / "results" / "primary_interval.csv"
TEST_SHARE = 0.25  # test persons by training persons, where splits are redrawn
SEEDS, CLUSTERS, ACCURACIES = (3, 5, 10), (20, 60, 120), (0.6, 0.9, 0.98)
# Variances of latent effects of seed, person, face, seed by person, and seed by face.
SEED, PERSON, FACE, SEED_PERSON, SEED_FACE = 0.02, 0.5, 0.5, 0.1, 0.5
OWN = 0.3  # share of a variant's person and face effects that the other variant does not have

Array = NDArray[np.float64]


def shared(rng: Any, samples: int, n: int, persons: int, accuracy: float) -> tuple[Array, Any]:
    """(2, samples, n, faces) outcomes of two equal variants, and the person of each face."""
    who = np.repeat(np.arange(persons), rng.integers(1, 8, persons))
    total = SEED + PERSON + FACE + SEED_PERSON + SEED_FACE
    mean = stats.norm.ppf(accuracy) * np.sqrt(total)

    def normal(variance: float, *shape: int) -> Array:
        return (rng.standard_normal(shape, dtype=np.float32) * np.sqrt(variance)).astype(np.float32)

    common = normal(PERSON * (1 - OWN), samples, 1, persons)[..., who]
    common = common + normal(FACE * (1 - OWN), samples, 1, len(who))

    def variant() -> Array:
        latent = mean + common + normal(SEED, samples, n, 1)
        latent += normal(SEED_FACE, samples, n, len(who))
        latent += normal(FACE * OWN, samples, 1, len(who))
        of_person = normal(SEED_PERSON, samples, n, persons)
        latent += (of_person + normal(PERSON * OWN, samples, 1, persons))[..., who]
        return latent > 0

    return np.stack([variant(), variant()]).astype(np.float64), who


def redrawn(rng: Any, samples: int, n: int, persons: int, accuracy: float) -> tuple[Array, Any]:
    """The same of nearest class means, each on a feature of its own; NaN outside a test part.

    `persons` are tested by each seed; four times as many are learnt from.
    """
    everybody = round(persons * (1 + 1 / TEST_SHARE))
    who = np.repeat(np.arange(everybody), rng.integers(1, 8, everybody))
    label = rng.integers(2, size=(samples, 1, len(who))).astype(np.float32)
    draw = rng.random((samples, n, everybody)).argsort(axis=-1) < persons
    test = draw[..., who]
    learnt = ~test

    def variant() -> Array:
        feature = 0.6 * rng.standard_normal((samples, 1, everybody), dtype=np.float32)[..., who]
        feature += 0.8 * rng.standard_normal(label.shape, dtype=np.float32)
        feature += (2 * label - 1) * np.float32(stats.norm.ppf(accuracy))
        centres = []
        for chosen in (learnt * (1 - label), learnt * label):
            centres.append((chosen * feature).sum(-1) / chosen.sum(-1))
        cut = (centres[0] + centres[1]) / 2 + 0.15 * rng.standard_normal((samples, n))
        right = (feature > cut[..., None]) == (label == 1)
        return np.where(test, right, np.nan)

    return np.stack([variant(), variant()]), who


@cache
def truth(persons: int, accuracy: float) -> float:
    """Accuracy of nearest class means on new persons, after training on as many as `redrawn`."""
    outcomes, _ = redrawn(np.random.default_rng(99), 300, 5, persons, accuracy)
    return float(np.nanmean(outcomes, axis=-1).mean())


def plain_sum(parts: Components, test_share: float | None) -> tuple[Array, Array]:
    """Standard error and degrees of freedom if V_both is counted twice."""
    n = parts.values.shape[-1]
    seed = parts.values.var(axis=-1, ddof=1) * (1 / n + (test_share or 0.0))
    total = seed + parts.v_test
    below = seed**2 / (n - 1) + parts.v_test**2 / (parts.clusters - 1)
    with np.errstate(invalid="ignore"):
        return np.sqrt(total), np.where(below > 0, total**2 / below, n - 1)


def rows(situation: str, n: int, persons: int, accuracy: float, samples: int) -> Iterator[Any]:
    """One row for each formula."""
    rng = np.random.default_rng([n, persons, round(100 * accuracy)])
    share = TEST_SHARE if situation == "redrawn" else None
    true = truth(persons, accuracy) if share else accuracy
    batch = max(20, 1_000_000 // (n * persons * (20 if share else 4)))
    held: dict[str, list[Any]] = {}
    rejected: dict[str, list[Any]] = {}
    for start in range(0, samples, batch):
        size = min(batch, samples - start)
        outcomes, who = (redrawn if share else shared)(rng, size, n, persons, accuracy)
        one = variance_components(outcomes[0], who, redrawn=bool(share))
        two = variance_components(outcomes[1] - outcomes[0], who, redrawn=bool(share))
        for formula in ("primary", "plain sum"):
            found = [
                plain_sum(parts, share) if formula == "plain sum" else error_of(*parts, share)
                for parts in (one, two)
            ]
            mean, (error, df) = one.values.mean(axis=-1), found[0]
            low, high = bounds_of(mean, error, df, one.clusters)
            held.setdefault(formula, []).append((low <= true) & (true <= high))
            error, df = found[1]
            beyond = np.abs(two.values.mean(axis=-1)) > stats.t.ppf(0.975, df) * error
            rejected.setdefault(formula, []).append(beyond)
    for formula in held:
        coverage, level = (100 * np.concatenate(d[formula]).mean() for d in (held, rejected))
        yield situation, formula, n, persons, accuracy, samples, coverage, level


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--csv", type=Path, default=RESULT)
    args = parser.parse_args()
    columns = ["situation", "formula", "seeds", "clusters", "accuracy", "samples"]
    columns += ["coverage_percent", "level_percent"]
    found: list[Any] = []
    for place in itertools.product(("shared", "redrawn"), CLUSTERS, SEEDS, ACCURACIES):
        situation, persons, n, accuracy = place
        samples = args.samples if situation == "shared" else args.samples // 2  # slower
        new = list(rows(situation, n, persons, accuracy, samples))
        found += new
        for row in new:
            print(*row, flush=True)
        table = pd.DataFrame(found, columns=columns)
        table.to_csv(args.csv, index=False, float_format="%.2f", lineterminator="\n")
    wide = table.groupby(["situation", "formula", "accuracy"])[columns[-2:]]
    print(wide.agg(["min", "max"]).to_string())


if __name__ == "__main__":
    main()
