"""The study that tests start from, `example_study.yaml`, independent of shipped ones."""

from __future__ import annotations

import copy
import functools
import tempfile
from pathlib import Path
from typing import Any

import yaml

from ferbench.config.catalogue import expand, read_yaml
from ferbench.config.params import Params, load_params

__all__ = ["EXAMPLE", "PROJECT", "example_params", "example_tree"]

PROJECT = Path(__file__).parents[1]
EXAMPLE = Path(__file__).with_suffix(".yaml")


def example_tree() -> dict[str, Any]:
    """The study with the defaults and the catalogue's rows written out; the caller's own copy."""
    return copy.deepcopy(_tree())


@functools.cache
def example_params() -> Params:
    """The study as records."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "params.yaml")
        path.write_text(yaml.safe_dump(_tree(), sort_keys=False), encoding="utf-8")
        return load_params(path)


@functools.cache
def _tree() -> dict[str, Any]:
    # The catalogue and the defaults are looked for beside the path.
    whole: dict[str, Any] = expand(read_yaml(EXAMPLE), PROJECT / "studies" / EXAMPLE.name)
    return whole
