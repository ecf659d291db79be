"""Metrics, a file a family; see `ferbench.evaluation.scoring` for how one is declared and called.

Every function that a file lists in `__all__` is a metric of that name. To add one, write a function
with `@metric(...)` into a family, or into a file of its own, and name it in `score: metrics`.
"""
