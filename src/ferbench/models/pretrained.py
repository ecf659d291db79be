"""Initial weights: published ones or a file's, read without running anybody's code.

A plain file of tensors is read with `weights_only=True`. Some projects publish their whole model as
a pickle instead, which names classes and would run them. Such a file is read with an inert record
in the place of every class that it names: nothing of it is imported or called, and the tensors are
then picked out of the records.
"""

from __future__ import annotations

import importlib
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from urllib.parse import urlparse

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ferbench.config.params import Variant
from ferbench.errors import DAMAGED, InputError, unknown
from ferbench.models.build import PARTS
from ferbench.models.graph import Graph
from ferbench.plugins import module_of

__all__ = ["coco_state", "hub_file", "load_initial", "package_file", "read_state", "renumbered"]

_LOG = logging.getLogger(__name__)
_WHERE = "params.yaml: variants: weights"
# Under these keys files keep their weights, the better first: ours, Lightning's, ultralytics'.
_KEYS = ("state", "state_dict", "ema", "model")
# The release that ultralytics 8.4 takes its weights from: one whole model a file.
_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


def load_initial(network: nn.Module, variant: Variant) -> dict[str, Any]:
    """Put a row's initial weights into its network, as far as they fit in name and shape.

    What they do not give keeps its random start: the classifier, an attention, a changed stem. The
    first convolution of a network for grey images takes the sum over red, green and blue, which is
    what the colour one computes on a grey image.

    Args:
        network: of that row.
        variant: its column `weights` is `none`, a word that the backbone's function
            `<backbone>_weights` knows, or the path of a file, with names as in the network or in
            its body.

    Returns:
        nothing for `none`; else `weights`, and how many tensors were `matched`, how many of the
        file were `skipped`, and how many of the network are `missing` in it.

    Raises:
        InputError: the word is unknown, the weights are not at hand, or none of them fits.
    """
    if variant.weights == "none":
        return {}
    given = {k: v for k, v in _given(variant).items() if v.is_floating_point()}
    own = {k: v for k, v in network.state_dict().items() if v.is_floating_point()}
    fitting = _fitting(given, own)
    if not fitting:
        raise InputError(
            f"{variant.weights!r} has no tensor that fits backbone {variant.backbone!r}",
            where=_WHERE,
            remedy="tensors must be named and shaped as in the network or in its body",
        )
    with torch.no_grad():
        for name, value in fitting.items():
            own[name].copy_(value)
    counts = {
        "matched": len(fitting),
        "skipped": len(given) - len(fitting),
        "missing": len(own) - len(fitting),
    }
    _LOG.info("%s: %s", variant.weights, ", ".join(f"{v} tensors {k}" for k, v in counts.items()))
    return {"weights": variant.weights, **counts}


def _given(variant: Variant) -> Mapping[str, Tensor]:
    """The tensors that a row's word stands for."""
    path = Path(variant.weights)
    if path.suffix or path.name != variant.weights:
        return read_state(path)
    module = importlib.import_module(module_of(PARTS["backbone"], variant.backbone))
    published = getattr(module, f"{variant.backbone}_weights", None)
    if published is None:
        known = ["none", "the path of a file"]
        kind = f"weights of backbone {variant.backbone}"
        raise unknown(kind, variant.weights, known, where=_WHERE)
    options = variant.options.get("backbone", {})
    state: Mapping[str, Tensor] = published(variant.weights, variant.location, **options)
    return state


def _fitting(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What fits under the names as they are, or as names of the body; the larger of the two."""
    ways = ({prefix + name: value for name, value in given.items()} for prefix in ("", "body."))
    return max((_shaped(way, own) for way in ways), key=len)


def _shaped(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    fitting: dict[str, Tensor] = {}
    for name in given.keys() & own.keys():
        value, shape = given[name], own[name].shape
        if len(shape) == 4 and shape[1] == 1 and value.ndim == 4 and value.shape[1] == 3:
            value = value.sum(dim=1, keepdim=True)
        if value.shape == shape:
            fitting[name] = value
    return fitting


def coco_state(name: str) -> dict[str, Tensor]:
    """The tensors of a released model, under the library's own names `model.<row>.<rest>`.

    Args:
        name: of the file, without `.pt`.

    Raises:
        InputError: the file is not at hand, or damaged.
    """
    return read_state(hub_file(f"{_RELEASE}/{name}.pt"))


def renumbered(
    state: dict[str, Tensor], graph: Graph, shared: int | None = None
) -> dict[str, Tensor]:
    """Tensors of ungated rows, under the numbers of the same rows in a gated graph.

    Args:
        state: under names `model.<row>.<rest>`.
        graph: without its gates it begins with the rows of the state.
        shared: so many first rows are alike, the others are left out; None for all.
    """
    rows = [*graph.backbone, *graph.head]
    number = [i for i, row in enumerate(rows) if row[2] != "Gate"][:shared]
    found = {}
    for name, value in state.items():
        model, row, rest = name.split(".", 2)
        if int(row) < len(number):
            found[f"{model}.{number[int(row)]}.{rest}"] = value
    return found


class _Record:
    """An inert stand-in for any class or function that a pickle names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU.

    Args:
        path: of a `.safetensors` file, a saved state, a file of ours, a checkpoint of Lightning, or
            a model of ultralytics.

    Raises:
        InputError: the file is absent or damaged, or holds no tensors with names.
    """
    try:
        state = _state_in(_content(path))
    except FileNotFoundError as error:
        raise InputError("no such file of weights", where=path, remedy="check the path") from error
    except (SafetensorError, *DAMAGED) as error:
        raise _refused(path, f"cannot be read ({type(error).__name__}: {error})") from error
    if not state:
        raise _refused(path, "holds no tensors with names")
    return state


def package_file(package: str, file: str, remedy: str) -> Path:
    """A file of weights in an installed package, which is not imported.

    Args:
        package: its name in the registry.
        file: its path in the package's installation.
        remedy: the command that installs it.

    Raises:
        InputError: the package is not installed.
    """
    try:
        return Path(str(metadata.distribution(package).locate_file(file)))
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"the weights are in the package {package}, which is not installed",
            where=_WHERE,
            remedy=remedy,
        ) from error


def hub_file(url: str) -> Path:
    """A published file in torch's hub folder; downloaded if it is not there.

    Raises:
        InputError: it is not there and cannot be downloaded, or what came is not it.
    """
    name = Path(urlparse(url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Projects put the beginning of the file's SHA-256 into its name.
    found = re.search(r"-([0-9a-f]{8,})\.", name)
    try:
        torch.hub.download_url_to_file(url, str(path), found and found[1], progress=False)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"weights cannot be downloaded ({error})",
            where=url,
            remedy=f"download {url} elsewhere and put it at {path}",
        ) from error
    return path


def _refused(path: Path, what: str) -> InputError:
    return InputError(
        what,
        where=path,
        remedy="give a state dict saved by `torch.save`, or a .safetensors file",
    )


def _content(path: Path) -> Any:
    """What a file holds; classes that are no tensors or plain values become records."""
    if path.suffix == ".safetensors":
        return load_file(path)
    with _no_class_allowed():
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except UnpicklingError:
            foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
            with torch.serialization.safe_globals([(_Record, name) for name in foreign]):
                return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _no_class_allowed() -> Iterator[None]:
    """Forget for a while which classes `weights_only` may build.

    ultralytics adds its own to that list for the whole process, and some of them run text that they
    are given.
    """
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(allowed)


def _state_in(content: Any) -> dict[str, Tensor]:
    """Named tensors of a mapping or of a recorded module, looked for under the usual keys."""
    if isinstance(content, _Record):
        return _tensors_of(vars(content), "")
    if not isinstance(content, Mapping):
        return {}
    for key in _KEYS:
        if content.get(key) is not None and not isinstance(content[key], Tensor):
            return _state_in(content[key])
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _tensors_of(module: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """Parameters and buffers of a recorded `torch.nn.Module`, named as its state would be."""
    found: dict[str, Tensor] = {}
    for kind in ("_parameters", "_buffers"):
        for name, value in (module.get(kind) or {}).items():
            if isinstance(value, Tensor):
                found[prefix + name] = value.detach()
    for name, child in (module.get("_modules") or {}).items():
        if isinstance(child, _Record):
            found |= _tensors_of(vars(child), f"{prefix}{name}.")
    return found
