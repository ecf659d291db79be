"""What a forward pass costs."""

from __future__ import annotations

import ast
import copy
import importlib.metadata
import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ferbench.config.params import Recipe, Variant
from ferbench.errors import unknown
from ferbench.files import digest, md5_file
from ferbench.models.build import build_network, part_modules, task_of
from ferbench.models.deploy import deployed
from ferbench.plugins import module_of, names

__all__ = ["code_modules", "describe", "gflops"]

_COUNTED = (torch.ops.aten.convolution, torch.ops.aten.addmm, torch.ops.aten.mm)


def gflops(network: nn.Module, channels: int, input_px: int) -> float:
    """2 x multiply-adds of one image of `input_px`, in 10^9.

    Of convolutions and linear layers; the products of an attention's maps are not counted, as in
    the papers.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(torch.zeros(1, channels, input_px, input_px))
    counts = counter.get_flop_counts()["Global"]
    return float(sum(counts.get(op, 0) for op in _COUNTED)) / 1e9


# MERGED from ferbench.models.describe:
# What a row of the variants table is and costs; the barrier between `models/` and training.
#
# Training depends on `models/` through this description alone. It holds a digest of the code that
# this row runs and of no other, so a new attention file, or a change in one, repeats only the rows
# that name it. Comments and docstrings do not count. A test compares `code_modules` with what the
# stages that train and run a network import.


_LIBRARIES = ("torch", "torchvision", "timm", "ultralytics", "lightning", "albumentations")
_ROOT = "ferbench.models"


def describe(
    name: str, variant: Variant, recipe: Recipe, classes: int = 7, metric: str | None = None
) -> dict[str, Any]:
    """A row, its recipe, its size and a digest of its code, ready for JSON.

    Parameters are counted at `classes` classes. GFLOPs are 2 x multiply-adds of convolutions and
    linear layers of the deployed network at its real input, in 10^9.

    Args:
        name: of the row.
        variant: the row.
        recipe: how it is trained.
        classes: K.
        metric: that selects its checkpoint; None where nothing is trained.

    Raises:
        InputError: a word of the row is unknown, or its parts do not fit.
    """
    network = build_network(variant, recipe, classes, seed=0).eval()
    deployed_network = deployed(network)
    code = {module: _code(module) for module in code_modules(variant, recipe, metric)}
    return {
        "variant": name,
        "paper": variant.paper,
        "task": task_of(variant),
        "row": asdict(variant),
        "recipe": recipe.settings(),
        "classes": classes,
        "params_train": _parameters(network),
        "params_deployed": _parameters(deployed_network),
        "gflops": round(gflops(deployed_network, recipe.channels, recipe.input_px), 4),
        "input_px": recipe.input_px,
        "weights_md5": _weights_md5(variant),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "code": {module: digest(text)[:16] for module, text in code.items()},
    }


def code_modules(variant: Variant, recipe: Recipe, metric: str | None = None) -> list[str]:
    """The modules whose code is in a row's digest, sorted.

    They are the parts that its cells name, its recipe's augmentation, what builds, saves and loads
    every network, the initial weights for rows that have some,
    all modules of `ferbench.models` and the shared transforms that these import, and the metric
    that selects a checkpoint.

    Raises:
        InputError: a word of the row or its recipe is unknown.
    """
    parts = [
        *part_modules(variant),
        *_EVERY_ROW,
        _named_part(_AUGMENTATIONS, "augmentation", recipe.augment, "recipes"),
    ]
    if variant.weights != "none":
        parts.append(_PRETRAINED)
    if metric is not None:
        parts.append(_named_part(_METRICS, "metric", metric, "train: select"))
    return _reachable(parts)


def _weights_md5(variant: Variant) -> str | None:
    """Of the file that the row begins with, if it names one that is there."""
    path = Path(variant.weights)
    return md5_file(path) if path.is_file() else None


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


_EVERY_ROW = (f"{_ROOT}.build", f"{_ROOT}.weights")
_PRETRAINED = f"{_ROOT}.pretrained"
_AUGMENTATIONS = "ferbench.data.augmentations"
_METRICS = "ferbench.evaluation.metrics"
# Imported by those parts alone, so that no stage lists them.
_BEHIND_BARRIER = (f"{_ROOT}.", "ferbench.data.transforms")


def _named_part(package: str, kind: str, name: str, key: str) -> str:
    """The module of a part outside of `models` that decides how a row is trained."""
    if name not in names(package):
        raise unknown(kind, name, names(package), where=f"params.yaml: {key}")
    return module_of(package, name)


def _reachable(modules: list[str]) -> list[str]:
    """The given modules and those in `_BEHIND_BARRIER` that they import, sorted."""
    found: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module not in found:
            found.add(module)
            todo += [name for name in _imports(module) if name.startswith(_BEHIND_BARRIER)]
    return sorted(found)


def _imports(module: str) -> list[str]:
    return [
        node.module
        for node in ast.walk(ast.parse(_source(module)))
        if isinstance(node, ast.ImportFrom) and node.module
    ]


def _code(module: str) -> str:
    """The syntax tree of a module without docstrings."""
    tree = copy.deepcopy(ast.parse(_source(module)))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin).read_text(encoding="utf-8")
