"""What a row of the variants table is and costs: the barrier between `models/` and training.

Training depends on `models/` through this description alone. It holds a digest of the code that
this row runs and of no other, so that an edited block repeats only the rows that have it.

The code is collected by definition: from the parts that the row names and from what builds, feeds,
saves and loads every network, each function, class and constant that these name, in any module of
`FOLLOWED`. A layer that is named on the way and is not in the built network is left out: a backbone
names the blocks of all its options. Docstrings and comments do not count.
"""

from __future__ import annotations

import ast
import copy
import importlib
import importlib.metadata
import importlib.util
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from ferbench.config.params import Recipe, Variant
from ferbench.errors import InputError, unknown
from ferbench.files import digest, md5_file
from ferbench.models.build import PARTS, build_network, task_of
from ferbench.models.deploy import deployed, gflops
from ferbench.plugins import module_of, names

__all__ = ["FOLLOWED", "code_of", "describe", "roots"]

Definition = tuple[str, str]  # module and top-level name

_LIBRARIES = ("torch", "torchvision", "timm", "ultralytics", "lightning", "albumentations")
# What other stages use of `models`, for every row and for those with initial weights.
_EVERY_ROW: dict[str, tuple[str, ...]] = {
    "ferbench.models.build": (
        *("as_fractions", "build_loss", "build_network", "cam_layers", "logits_of", "task_of"),
    ),
    "ferbench.models.weights": ("Trained", "load_trained", "save_trained"),
}
_WITH_WEIGHTS = (
    ("ferbench.models.folded_norm", "unfold_norms"),
    ("ferbench.models.pretrained", "load_initial"),
)
# Parts outside of `models` that decide how a row is trained. Their sources are read and none is
# loaded, so the package's first name stands apart; see `ferbench.plugins.Part`.
_TRAINING = {"augmentation": "data.augmentations", "metric": "evaluation.metrics"}
# Modules whose definitions are digested; other code that a stage runs is among its own deps.
FOLLOWED = ("ferbench.models.", *(f"ferbench.{package}." for package in _TRAINING.values()))


def describe(
    name: str, variant: Variant, recipe: Recipe, classes: int = 7, metric: str | None = None
) -> dict[str, Any]:
    """A row, its recipe, its size and digests of its code, ready for JSON.

    Parameters are counted at `classes` classes. GFLOPs are 2 x multiply-adds of convolutions and
    linear layers of the deployed network at its real input, in 10^9.

    Args:
        name: of the row.
        variant: the row.
        recipe: how it is trained.
        classes: K.
        metric: that selects its checkpoint; None where nothing is trained.

    Raises:
        InputError: a word of the row is unknown, its parts do not fit, or a teacher is absent.
    """
    network = build_network(variant, recipe, classes, seed=0).eval()
    code = code_of(variant, recipe, metric, network)
    deployed_network = deployed(network)
    weights = Path(variant.weights)
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
        "weights_md5": md5_file(weights) if weights.is_file() else None,
        **_teachers(variant),
        "libraries": {name: importlib.metadata.version(name) for name in _LIBRARIES},
        "code": {module: digest(text)[:16] for module, text in code.items()},
    }


def _teachers(variant: Variant) -> dict[str, Any]:
    """Digests of the files of a distilled row's teachers by path; nothing for other rows."""
    paths = [Path(path) for path in variant.options.get("loss", {}).get("teachers", ())]
    for path in paths:
        if not path.is_file():
            raise InputError(
                "no such teacher",
                where=path,
                remedy="train it first: `ferbench repro --study` with the study in its path",
            )
    return {"teachers_md5": {str(path): md5_file(path) for path in paths}} if paths else {}


def _parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def roots(variant: Variant, recipe: Recipe, metric: str | None = None) -> set[Definition]:
    """The definitions that other stages use for a row; those that these name are not among them.

    Raises:
        InputError: a word of the row or its recipe is unknown.
    """
    found = {(module, name) for module, own in _EVERY_ROW.items() for name in own}
    for column, package in PARTS.items():
        found |= _part(package, getattr(variant, column))
    if variant.weights != "none":
        found.update(_WITH_WEIGHTS)
        module = module_of(PARTS["backbone"], variant.backbone)
        published = f"{variant.backbone}_weights"
        if published in _contents(module).definitions:
            found.add((module, published))
    for kind, name, key in (
        ("augmentation", recipe.augment, "recipes"),
        ("metric", metric, "train: select"),
    ):
        package = f"ferbench.{_TRAINING[kind]}"
        if name is not None:
            if name not in (known := names(package)):
                raise unknown(kind, name, known, where=f"params.yaml: {key}")
            found |= _part(package, name)
    return found


def code_of(
    variant: Variant, recipe: Recipe, metric: str | None = None, network: nn.Module | None = None
) -> dict[str, str]:
    """The code that a row runs: by module, its definitions as syntax trees without docstrings.

    Args:
        variant: the row.
        recipe: how it is trained.
        metric: that selects its checkpoint; None where nothing is trained.
        network: of the row; layers of `ferbench.models` that it has not are left out. Without one,
            the layers of all options of its parts are in the answer.

    Raises:
        InputError: a word of the row or its recipe is unknown.
    """
    losses = _part(PARTS["loss"], variant.loss)  # whose layers are in no network
    others = roots(variant, recipe, metric) - losses
    found = _reachable(losses) | _reachable(others, None if network is None else _kinds(network))
    code: dict[str, list[str]] = defaultdict(list)
    for module, name in sorted(found):
        code[module].append(f"{name}: {_dumped(_source(module), name)}")
    return {module: "\n".join(own) for module, own in code.items()}


def _part(package: str, name: str) -> set[Definition]:
    """A part and the public constants of its module, such as a metric's kind of input."""
    module = module_of(package, name)
    contents = _contents(module)
    (public,) = [n for n in contents.public if n.lower() == name] or contents.public
    constants = {n for n in contents.definitions if n.isupper() and not n.startswith("_")}
    return {(module, n) for n in {public, *(constants - set(contents.public))}}


def _reachable(
    start: Collection[Definition], kinds: Collection[Definition] | None = None
) -> set[Definition]:
    """The definitions of `start` and all that they name, directly or through others.

    Args:
        start: definitions.
        kinds: classes of a network's layers; layers of other classes are not followed.
    """
    found: set[Definition] = set()
    todo = list(start)
    while todo:
        definition = todo.pop()
        if definition in found or (kinds is not None and _is_absent(definition, kinds)):
            continue
        found.add(definition)
        todo += [*_named_by(*definition), (definition[0], "")]
    return found


def _kinds(network: nn.Module) -> set[Definition]:
    kinds = {kind for layer in network.modules() for kind in type(layer).__mro__}
    return {(kind.__module__, kind.__name__) for kind in kinds}


def _is_absent(definition: Definition, kinds: Collection[Definition]) -> bool:
    """Whether a definition is a kind of layer that a network has not."""
    module, name = definition
    statements = _contents(module).definitions.get(name, [])
    if definition in kinds or not any(isinstance(node, ast.ClassDef) for node in statements):
        return False
    return issubclass(getattr(importlib.import_module(module), name), nn.Module)


def _named_by(module: str, name: str) -> Iterator[Definition]:
    """The definitions of `FOLLOWED` modules that one definition names."""
    contents = _contents(module)
    if name in contents.imports:  # handed on
        yield from _imported(*contents.imports[name])
    elif name not in contents.definitions:
        raise LookupError(f"{module} does not define {name}")
    for node in (n for part in contents.definitions.get(name, []) for n in ast.walk(part)):
        match node:
            case ast.Name(id=used) if used in contents.definitions:
                yield module, used
            case ast.Name(id=used) if used in contents.imports:
                yield from _imported(*contents.imports[used])
            case ast.ImportFrom(module=str(source), names=aliases):
                for alias in aliases:
                    yield from _imported(source, alias.name)


def _imported(source: str, name: str) -> Iterator[Definition]:
    """What `from source import name` refers to, if that is to be followed."""
    module = f"{source}.{name}"
    if module.startswith(FOLLOWED) and _is_module(module):
        yield from ((module, each) for each in _contents(module).definitions)
    elif f"{source}.".startswith(FOLLOWED):
        yield source, name


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # what stands before the last dot is no package
        return False


@dataclass(frozen=True)
class _Contents:
    """The top-level statements of a module.

    Args:
        definitions: of functions, classes and constants, by name; those without a name under "".
        imports: `from <module> import <name>`, by the name that they have here.
        public: `__all__`.
    """

    definitions: dict[str, list[ast.stmt]]
    imports: dict[str, tuple[str, str]]
    public: list[str]


def _contents(module: str) -> _Contents:
    return _parsed(_source(module))


@cache
def _parsed(source: str) -> _Contents:
    contents = _Contents({"": []}, {}, [])
    for node in ast.parse(source).body:
        match node:
            case ast.ImportFrom(module=str(origin), names=aliases):
                for alias in aliases:
                    contents.imports[alias.asname or alias.name] = origin, alias.name
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                contents.public.extend(ast.literal_eval(value))
            case ast.Import():
                pass
            case _:
                for name in _defined_by(node):
                    contents.definitions.setdefault(name, []).append(node)
    return contents


def _defined_by(node: ast.stmt) -> list[str]:
    """The names that a statement defines, or whose attributes it sets; "" if there are none."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        targets = [node.target]
    return [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)] or [""]


@cache
def _dumped(source: str, name: str) -> str:
    """The syntax trees of a definition, without docstrings."""
    nodes = copy.deepcopy(_parsed(source).definitions.get(name, []))
    for node in (n for part in nodes for n in ast.walk(part)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_text(body[0]):
            node.body = body[1:]  # type: ignore[attr-defined]
    return " ".join(ast.dump(node) for node in nodes if not _is_text(node))


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


@cache
def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    return Path(spec.origin).read_text(encoding="utf-8")
