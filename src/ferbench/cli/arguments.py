"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

__all__ = ["add_model_options", "model_folder", "whole_number"]

REGISTERED = "models:/"


def whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    """The `type=` of an argument that is a whole number from `low` on, or up to `high`."""

    def number(text: str) -> int:
        value = int(text)
        if high is None and value < low:
            raise argparse.ArgumentTypeError(f"must be at least {low}")
        if high is not None and not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}")
        return value

    return number


def add_model_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add `--model`, and how it computes; the group of the latter."""
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="an installed model (fer2013, fer2013_fast), a folder that `ferbench export` wrote, "
        "or models:/NAME@ALIAS or models:/NAME/VERSION of the MLflow registry (default: fer2013)",
    )
    group = parser.add_argument_group("computation")
    group.add_argument(
        "--engine",
        choices=("auto", "torch", "onnx", "int8"),
        default="auto",
        help="PyTorch, or ONNX Runtime in float32 or 8 bits (default: onnx on a CPU if the model "
        "has it, else torch)",
    )
    group.add_argument("--device", default="cpu", help="of PyTorch, such as cuda (default: cpu)")
    group.add_argument(
        "--face-detector",
        metavar="NAME",
        help="yunet, mtcnn, or the path of an ONNX file of YuNet (default: FERBENCH_YUNET; without "
        "it yunet where its package is installed, else mtcnn)",
    )
    return group


def model_folder(model: str | None) -> Path:
    """The folder of the model that `--model` names.

    Raises:
        InputError: there is none.
    """
    from ferbench.serving.box import boxed_model, boxed_models

    if model is None:
        return boxed_model()
    if model in boxed_models():
        return boxed_model(model)
    if model.startswith(REGISTERED):
        from ferbench.tracking.registry import fetch_model

        return fetch_model(model)
    return Path(model)
