"""How often two rules call a printed accuracy reproduced: a perfect copy, and 2 and 5 points off.

The old rule: the printed value lies in our 95 % t interval over seeds. It compares a mean with one
run, so that more seeds make it reject a perfect copy more often. The new rule: the prediction
interval of ours minus printed holds 0 and reaches at most 3 points to either side; wider intervals
are undecided. Its variance is S^2 (1 + 1 / n) + V_test(ours) + V_test(paper), its t quantile has
the degrees of freedom of Welch and Satterthwaite.

Simulated are an accuracy of 90 % with a given standard deviation over seeds, measured by us with n
seeds and printed of one run, on the same test images or each on a sample of its own, printed with
one decimal.

    python benchmarks/verdict_rules.py

Seconds. Prints the tables and writes benchmarks/results/verdict_rules.csv.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

RESULT = Path(__file__).parent / "results" / "verdict_rules.csv"
ACCURACY = 0.9
WIDEST = 0.03  # a "reproduced" of a wider interval says nothing
HALF_UNIT = 0.0005
SEEDS = (2, 3, 5, 10)
OFFSETS = (0.0, 0.02, 0.05)
SPREADS = (0.005, 0.02)
TEST_IMAGES = (None, 200, 3000)  # None: the paper's own

Floats = NDArray[np.float64]


def simulate(
    n: int, offset: float, spread: float, images: int | None, *, runs: int, rng: np.random.Generator
) -> tuple[Floats, Floats, float]:
    """Our values (runs, n), the printed ones (runs,), and the variance of a mean over test images.

    What a sample of test images adds is the same for all seeds measured on it.
    """
    v_test = 0.0 if images is None else ACCURACY * (1 - ACCURACY) / images
    shared = rng.normal(0, v_test**0.5, (runs, 1))
    ours = ACCURACY + shared + rng.normal(0, spread, (runs, n))
    printed = ACCURACY + offset + rng.normal(0, (spread**2 + v_test) ** 0.5, runs)
    return ours, np.round(printed, 3), v_test


def old_rule(ours: Floats, printed: Floats) -> Floats:
    """Shares of `reproduced`, `not reproduced`, `undecided` by the t interval over seeds."""
    n = ours.shape[1]
    half = stats.t.ppf(0.975, n - 1) * ours.std(axis=1, ddof=1) / n**0.5
    hit = float((np.abs(ours.mean(axis=1) - printed) <= half).mean())
    return np.array([hit, 1 - hit, 0.0])


def new_rule(ours: Floats, printed: Floats, v_test: float) -> Floats:
    """The same by the prediction interval, for all replications at once.

    The formula is written out here, apart from the function that reports use, so that the benchmark
    tests the rule and not its code. The variance of test images counts as known.
    """
    n = ours.shape[1]
    v_seed = ours.var(axis=1, ddof=1) * (1 + 1 / n)
    total = v_seed + 2 * v_test
    df = total**2 / (v_seed**2 / (n - 1))
    half = stats.t.ppf(0.975, df) * np.sqrt(total) + HALF_UNIT
    holds = np.abs(ours.mean(axis=1) - printed) <= half
    narrow = half <= WIDEST
    return np.array([(holds & narrow).mean(), (~holds).mean(), (holds & ~narrow).mean()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng, rows = np.random.default_rng(args.seed), []
    for images, spread, offset, n in product(TEST_IMAGES, SPREADS, OFFSETS, SEEDS):
        ours, printed, v_test = simulate(n, offset, spread, images, runs=args.runs, rng=rng)
        place = {"test_images": images or "the paper's own", "seed_sd": spread, "offset": offset}
        for rule, shares in (
            ("old", old_rule(ours, printed)),
            ("new", new_rule(ours, printed, v_test)),
        ):
            verdicts = dict(zip(("reproduced", "not reproduced", "undecided"), shares, strict=True))
            rows.append({**place, "n": n, "rule": rule, **verdicts})
    table = pd.DataFrame(rows)
    wide = table.set_index(["test_images", "seed_sd", "offset", "rule", "n"])
    print(wide["reproduced"].unstack(["rule", "n"]).round(2).to_string())
    print(wide["not reproduced"].unstack(["rule", "n"]).round(2).to_string())
    table.to_csv(RESULT, index=False, float_format="%.4f", lineterminator="\n")
    print(f"-> {RESULT}")


if __name__ == "__main__":
    main()
