"""What a test of two variants takes for its samples, in the words of tables and reports."""

from __future__ import annotations

from ferbench.stats.evidence import EvidencePart, cluster_kind
from ferbench.stats.primary import knows_test_variance

__all__ = ["SEEDS_ONLY", "basis_of", "seeds_and"]

SEEDS_ONLY = "seeds only"
_PLURAL = {"person": "persons", "sequence": "sequences", "image": "images", "mixed": "clusters"}


def basis_of(part: EvidencePart, metric: str, kind: str) -> str:
    """What a kind of test takes for samples.

    Args:
        part: of the evidence.
        metric: of `results.csv`.
        kind: of the test, as listed in `ferbench.stats.comparisons`.

    Returns:
        `seeds only`, `faces` (of one network each), or such as `persons` or `seeds and images`;
        `clusters` are persons where they are known and other units where they are not.
    """
    if kind == "faces_best":
        return "faces"
    if kind == "faces_mean":
        return _PLURAL[cluster_kind(part)]
    if kind == "evidence" and knows_test_variance(part, metric):
        return seeds_and(cluster_kind(part))
    return SEEDS_ONLY


def seeds_and(cluster: str) -> str:
    """What a primary interval is about besides seeds.

    >>> seeds_and("person")
    'seeds and persons'
    """
    return f"seeds and {_PLURAL[cluster]}"
