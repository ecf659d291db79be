"""What every benchmark records beside its figures."""

from __future__ import annotations

from typing import Any

from ferbench.training.provenance import commit, hardware, versions

__all__ = ["conditions"]


def conditions() -> dict[str, Any]:
    """Commit of the code, this machine, and the versions of libraries."""
    return {"commit": commit(), "hardware": hardware(), "versions": versions()}
