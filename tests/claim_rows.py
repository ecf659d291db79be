"""Rows of `claims.csv` for tests, whole unless a test changes a field."""

from __future__ import annotations

from typing import Any

from ferbench.artifacts.claims import ClaimRow

ROW = {
    "claim": "p1_sab",
    "paper": "p1",
    "tables": "T2",
    "source": "ckplus",
    "study": "demo",
    "dataset": "ckplus",
    "protocol": "person_70_10_20",
    "metric": "accuracy",
    "robustness": "",
    "variant_a": "ivsa",
    "variant_b": "vgg_improved",
    "recipe": "reduced",
    "n_seeds": 5,
    "n_faces": 981,
    "n_clusters": 118,
    "cluster": "person",
    "printed": 0.0249,
    "estimate": -0.044,
    "low": -0.075,
    "high": -0.012,
    "p_value": 0.01,
    "p_corrected": 0.02,
    "direction": "contradicted",
    "size": "smaller",
    "decided_by": "p at most 0.05",
    "conditions": "another recipe",
}


def claim_row(**changes: Any) -> ClaimRow:
    return ClaimRow(**ROW | changes)
