"""Claims as data: `studies/catalogue/claims.yaml`, and the `claims` of a study.

A claim says that A is better than its control B in one metric on one data set, by a printed gain.
The catalogue's file has an entry for each claim of the papers; what its `records` share stands
above them:

    p1_sab:
      paper: p1
      sentence: ...
      metric: accuracy
      records:
        - {dataset: fer2013, tables: [T1, T3], a: ivsa, b: vgg_improved, gain: 0.0214}

A study lists claims of its own under `claims`, each whole, with its `id`.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, with_config

from ferbench import plugins
from ferbench.config.catalogue import Catalogue, read_yaml
from ferbench.config.checks import ADDED_METRICS
from ferbench.config.records import RECORD, Distinct, Line, build_record, check_name, part, refusal
from ferbench.errors import InputError, unknown

__all__ = ["ANY", "COSTS", "TABLES", "Claim", "check_claims", "load_claims"]

ANY = "any"  # whatever data set, or whatever variant, a study has
# Metrics of claims of the kind `ratio`, which are no scores: millions of parameters, GFLOPs, and
# images a second.
COSTS = ("params_m", "gflops", "fps")
# What each paper prints; `text` are figures of its running text.
TABLES: Mapping[str, tuple[str, ...]] = {
    "p0": ("T1", "T2", "T3", "T4", "T5", "T6"),
    "p1": ("T1", "T2", "T3"),
    "p2": tuple(f"T{number}" for number in range(1, 14)),
    "p3": ("T1", "T2", "F3", "F4"),
    "p4": ("T1", "text"),
}
_OF_CLASSES = {"recall": 1, "confused": 2}  # and how many emotions follow


def _expect(kind: str, name: str, known: Iterable[str]) -> str:
    words = list(known)
    if name not in words:
        error = unknown(kind, name, words)
        raise refusal(error.what, error.remedy)
    return name


def _source(name: str) -> str:
    return _expect("data set", name, [ANY, *plugins.names(_part("data.sources"))])


def _metric(name: str) -> str:
    head, *emotions = name.split(":")
    if _OF_CLASSES.get(head) == len(emotions):
        for emotion in emotions:
            _expect("emotion", emotion, _emotions())
        return name
    forms = [":".join([kind, *["<emotion>"] * count]) for kind, count in _OF_CLASSES.items()]
    known = [*plugins.names(_part("evaluation.metrics")), *ADDED_METRICS, *COSTS, *forms]
    return _expect("metric", name, known)


def _condition(text: str) -> str:
    if text:
        kind, colon, condition = text.partition(":")
        _expect("robustness test", kind, plugins.names(_part("evaluation.robustness")))
        if not (colon and condition):
            raise refusal(f"names no condition of {kind}", "write it as in canvas:640")
    return text


def _part(package: str) -> str:
    """A package's whole name; as a literal it would count as a load, as in `records.part`."""
    return f"{__name__.partition('.')[0]}.{package}"


def _emotions() -> tuple[str, ...]:
    """Known class names; they decide what is refused and change no value."""
    found: tuple[str, ...] = importlib.import_module(_part("emotions")).EMOTIONS
    return found


@with_config(RECORD)
@dataclass(frozen=True)
class Claim:
    """One claim on one data set: A against B in one metric.

    Args:
        id: of the claim, which several records share.
        paper: `p0` to `p4`; another word for claims of no paper of ours.
        tables: of the paper, such as `T1`, that hold the numbers.
        sentence: the claim in words.
        dataset: source of the test images; `any` if it is about no particular data set.
        metric: a row of `results.csv`; `recall:<emotion>`; `confused:<emotion>:<emotion>`, the
            share of faces of the first that were predicted as the second; of ratios one of `COSTS`.
        a: the variant that is claimed to be better; `any` for every variant of a study.
        b: its control; None for claims of the kind `threshold`.
        gain: printed A minus B as a fraction (of ratios, A / B); None where none is printed.
        decimals: of the printed numbers in per cent; of ratios, of `costs`.
        better: `lower` if the claim is that A has less of the metric.
        kind: `gain`, A minus B; `best_of`, the same, where A is claimed to be the best of several;
            `loses_less`, A minus B in what altered test images cost; `ratio`, A / B of a cost;
            `threshold`, A above a value; `protocol`, A split by image minus A split by person.
        robustness: `<kind>:<condition>` of altered test images; empty for test as it is.
        trained_on: source of the training images, if another than `dataset`.
        protocol: that the paper's split follows, as far as it is stated.
        test_images: size of the paper's test part, as far as the paper states or implies it.
        n: number of runs whose mean is printed; None if that is not stated, which counts as one.
        sd: printed standard deviations over runs, of A and of B, as fractions.
        threshold: of the kind `threshold`, as a fraction.
        costs: of ratios, the printed numbers of A and of B.
        note: a condition of the printed number that a reader must know.
    """

    id: Annotated[str, AfterValidator(check_name)]
    paper: Line
    tables: Distinct[Line]
    sentence: Line
    dataset: Annotated[str, AfterValidator(_source)]
    metric: Annotated[str, AfterValidator(_metric)]
    a: Line
    b: Line | None = None
    gain: float | None = None
    decimals: Annotated[int, Field(ge=0, le=6)] = 2
    better: Literal["higher", "lower"] = "higher"
    kind: Literal["gain", "best_of", "loses_less", "ratio", "threshold", "protocol"] = "gain"
    robustness: Annotated[str, AfterValidator(_condition)] = ""
    trained_on: Annotated[str, part("data.sources", "data set")] | None = None
    protocol: Annotated[str, part("data.protocols", "protocol")] | None = None
    test_images: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1)] | None = None
    sd: tuple[float, float] | None = None
    threshold: float | None = None
    costs: tuple[float, float] | None = None
    note: str = ""

    @property
    def claimed_sign(self) -> int:
        """The sign of A minus B in the claim's sentence."""
        return 1 if self.better == "higher" else -1

    @property
    def sign(self) -> int:
        """The sign of the printed gain; of the sentence where none, or 0, is printed."""
        neutral = 1.0 if self.kind == "ratio" else 0.0
        if self.gain is None or self.gain == neutral:
            return self.claimed_sign
        return 1 if self.gain > neutral else -1

    @property
    def ratio_bounds(self) -> tuple[float, float]:
        """Of a printed ratio of rounded costs; without costs, the ratio itself twice."""
        if self.costs is None:
            gain = math.nan if self.gain is None else self.gain
            return gain, gain
        (a, b), half = self.costs, 0.5 * 10.0**-self.decimals
        return (a - half) / (b + half), (a + half) / (b - half)

    @property
    def rounding(self) -> float:
        """By how much a difference of two printed numbers may be off: half a unit each."""
        return float(10.0 ** -(self.decimals + 2))

    @property
    def key(self) -> tuple[str | None, ...]:
        """What tells records apart."""
        return (self.id, self.dataset, self.metric, self.a, self.b, self.robustness)


def load_claims(path: Path = Path("studies/catalogue/claims.yaml")) -> tuple[Claim, ...]:
    """The claims of a catalogue, one record each.

    Args:
        path: of the file; its variants are those of the catalogue it is in.

    Raises:
        InputError: there is no such file, or a key, variant, table, metric, data set or emotion in
            it is unknown.
    """
    if not path.is_file():
        raise InputError("no such file", where=path, remedy="run from the project's folder")
    tree = read_yaml(path)
    if not isinstance(tree, dict) or not all(isinstance(entry, dict) for entry in tree.values()):
        raise InputError("is no table of claims", where=path, remedy="write `id: {...}`")
    claims = tuple(claim for key, entry in tree.items() for claim in _records(key, entry, path))
    check_claims(claims, Catalogue(path.parent).variants, str(path))
    return claims


def _records(key: str, entry: Mapping[str, Any], path: Path) -> Iterator[Claim]:
    shared = {name: value for name, value in entry.items() if name != "records"}
    records = entry.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InputError(
            "`records` is no list of mappings",
            where=f"{path}: {key}",
            remedy="write `records: [{dataset: ..., a: ..., b: ...}]`",
        )
    for number, record in enumerate(records):
        where = f"{path}: {key}: records[{number}]"
        yield build_record(Claim, {"id": key, **shared, **record}, where)


def check_claims(claims: Iterable[Claim], variants: Iterable[str], where: str) -> None:
    """Refuse claims that name unknown variants or tables, lack what their kind needs, or repeat.

    Args:
        claims: whole records.
        variants: that they may name.
        where: for messages.

    Raises:
        InputError: with the first fault.
    """
    known, seen = set(variants), set[tuple[str | None, ...]]()
    for claim in claims:
        here = f"{where}: {claim.id}"
        for name in (claim.a, claim.b):
            if name not in (None, ANY) and name not in known:
                raise unknown("variant", name, known, where=here)
        for table in claim.tables:
            if table not in TABLES.get(claim.paper, claim.tables):
                raise unknown(f"table of {claim.paper}", table, TABLES[claim.paper], where=here)
        _check_kind(claim, here)
        if claim.key in seen:
            raise InputError("is listed twice", where=here, remedy="drop one of the two records")
        seen.add(claim.key)


def _check_kind(claim: Claim, where: str) -> None:
    """Refuse a record without what its kind needs."""
    single = claim.kind == "threshold"
    needs = [
        (single != (claim.b is None), "b", "name the control; claims of kind threshold have none"),
        (single != (claim.threshold is not None), "threshold", "kind threshold has one, no other"),
        (
            claim.kind == "loses_less" and not claim.robustness,
            "robustness",
            "name the altered test images, as in degraded:medium",
        ),
        (
            (claim.kind == "ratio") != (claim.metric in COSTS),
            "metric",
            f"ratios are of {', '.join(COSTS)}, which no other kind takes",
        ),
        ((claim.kind == "protocol") != (claim.a == ANY), "a", "write any in kind protocol only"),
    ]
    for wrong, key, remedy in needs:
        if wrong:
            raise InputError(f"{key} does not fit kind {claim.kind}", where=where, remedy=remedy)
