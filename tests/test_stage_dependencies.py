"""The deps of every stage in dvc.yaml against the modules that its script imports.

DVC repeats a stage when one of its deps has changed, so an edit of a module that is missing there
leaves stale results. A dep that is a folder covers all files below it. Three kinds of modules need
no dep: those in `PLUMBING`, those in `CUTS`, and those behind the barrier.

The barrier is the description of a variant, `reports/<study>/variants/<variant>.json`. It holds a
digest of the code of `ferbench.models` and `ferbench.data.augmentations` that the variant's row
runs, and of the metric that selects its checkpoint, so a stage that depends on it needs no dep on
these packages, and an edited attention
module repeats only the rows that name it. The digest covers the parts that the row names and what
they import; `build`, with `pixels`, and `weights` for every row; `boxes` for detectors only;
`pretrained`, with `state_file`, only for rows that do not start at random. It does not cover
`deploy`, which is no part of training: the stages that use it list it. The test of the barrier
compares the digest of every row of the catalogue with the modules that each stage imports for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.import_closure import import_closure, module_file

from ferbench.config.catalogue import Catalogue, study_files
from ferbench.config.params import Recipe, Variant, load_params
from ferbench.models.describe import code_modules
from ferbench.training import run as record

PROJECT = Path(__file__).parents[1]
SRC = PROJECT / "src"
STAGES: dict[str, Any] = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"].items()
}

# Modules that no stage lists: an edit leaves the numbers as they are, or makes stages fail.
PLUMBING = {
    "ferbench": "imports `ferbench.environment` and holds the version",
    "ferbench.config.catalogue": "params.yaml is written out in full, and DVC compares its values",
    "ferbench.config.runs": "command-line words and folders; a moved folder is a missing output",
    "ferbench.cli.stage": "exit status and messages of a script",
    "ferbench.cli.lock": "whether a command or DVC may start",
    "ferbench.cli.lifeline": "ends a stage whose DVC process is gone",
    "ferbench.environment": "cache folder and switches of other packages; the number of threads "
    "changes rounding at most, as another machine does",
    "ferbench.errors": "messages",
    "ferbench.files": "how files are written and hashed, not what is in them",
    "ferbench.locks": "whether a process waits, not what it computes",
    "ferbench.config.checks": "refuses contradictions of params.yaml; it changes no value",
    "ferbench.config.params": "types of params.yaml and look-ups in it; DVC compares its values",
    "ferbench.plugins": "imports a module by its name",
    "ferbench.config.records": "checks types of params.yaml, whose values DVC compares",
}

# Imports that are not followed from a stage: (importing module, imported module).
CUTS = {
    (stage, "ferbench.data.pack", "ferbench.data.images"): (
        "images are decoded only by `pack_images`; this stage reads the pack, which is a dep, and "
        "must not repeat where decoding was edited and the pixels stayed the same"
    )
    for stage in ("train", "evaluate", "robustness", "explain")
}

BARRIER = "reports/${study.name}/variants"
METRICS = "ferbench.evaluation.metrics"
BEHIND_BARRIER = (
    *("ferbench.models.", "ferbench.data.augmentations.", "ferbench.data.transforms"),
    f"{METRICS}.",
)
# The metrics that select a checkpoint in some study. Training loads the selecting one alone.
SELECTING = sorted(
    {
        metric
        for study in study_files(PROJECT / "studies")
        for metric in load_params(study).train.select.values()
    }
)
# Modules of `ferbench.models` that are imported for every row and run for some of them.
RUN_FOR: dict[str, tuple[Callable[[Variant], bool], str]] = {
    "ferbench.models.pretrained": (
        lambda variant: variant.weights != "none",
        "`load_initial` returns at once for `weights: none`",
    ),
}


def _deps(stage: str) -> list[str]:
    deps: list[str] = STAGES[stage]["deps"]
    return deps


def _covers(dep: str, path: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")


def _file(module: str, src: Path = SRC) -> str:
    """The path of a module as dvc.yaml writes it."""
    file = module_file(module, src)
    assert file is not None, module
    return file.relative_to(src.parent).as_posix()


def _script(stage: str) -> Path:
    return PROJECT / "pipeline" / f"{stage}.py"


@cache
def _closure(stage: str) -> dict[str, str]:
    cuts = [(importer, imported) for name, importer, imported in CUTS if name == stage]
    loaded = SELECTING if stage == "train" else [""]
    closures = [import_closure(_script(stage), SRC, {METRICS: m}, cuts) for m in loaded]
    return {module: importer for found in closures for module, importer in found.items()}


def _uncovered(closure: dict[str, str], deps: list[str], src: Path = SRC) -> dict[str, str]:
    """The modules of a closure that no dep covers, each with a module that imports it."""
    return {
        module: importer
        for module, importer in closure.items()
        if not any(_covers(dep, _file(module, src)) for dep in deps)
    }


def _is_behind_barrier(stage: str, module: str) -> bool:
    return module.startswith(BEHIND_BARRIER) and any(d.startswith(BARRIER) for d in _deps(stage))


def _complaint(stage: str, missing: dict[str, str], src: Path = SRC) -> str:
    """One line a missing module: who imports it, and what to write into dvc.yaml."""
    return "\n".join(
        f"{stage}: {module}, imported by {importer}, is in no dep; add `- {_file(module, src)}`"
        for module, importer in missing.items()
    )


@pytest.mark.parametrize("stage", STAGES)
def test_stage_runs_the_script_of_its_name(stage: str) -> None:
    assert STAGES[stage]["cmd"].split()[:2] == ["python", f"pipeline/{stage}.py"]
    assert f"pipeline/{stage}.py" in _deps(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_every_module_its_script_imports(stage: str) -> None:
    missing = {
        module: importer
        for module, importer in _uncovered(_closure(stage), _deps(stage)).items()
        if module not in PLUMBING and not _is_behind_barrier(stage, module)
    }
    assert not missing, "\n" + _complaint(stage, missing)


@pytest.mark.parametrize("stage", STAGES)
def test_stage_depends_on_no_module_its_script_does_not_import(stage: str) -> None:
    files = [_file(module) for module in _closure(stage)]
    code = [dep for dep in _deps(stage) if dep.startswith("src/")]
    superfluous = [dep for dep in code if not any(_covers(dep, file) for file in files)]
    assert not superfluous, f"{stage}: its script imports none of these; delete them"
    twice = [d for d in code if any(d != other and _covers(other, d) for other in code)]
    assert not twice, f"{stage}: a folder among its deps covers these already; delete them"


def _outputs() -> Iterator[str]:
    """Paths that stages write, as patterns."""
    for stage in STAGES.values():
        for kind in ("outs", "metrics", "plots"):
            for out in stage.get(kind, []):
                yield _pattern(out if isinstance(out, str) else next(iter(out)))


def _pattern(path: str) -> str:
    """A path with `*` for what differs between the rows of a matrix."""
    return re.sub(r"\$\{(item\.\w+|key|seeds\[0\])\}", "*", path)


@pytest.mark.parametrize("stage", STAGES)
def test_every_dep_exists_or_is_an_output_of_a_stage(stage: str) -> None:
    outputs = list(_outputs())
    unknown = [
        dep
        for dep in _deps(stage)
        if not (PROJECT / dep).exists()
        and not any(_covers(o, _pattern(dep)) or _covers(_pattern(dep), o) for o in outputs)
    ]
    assert not unknown, f"{stage}: no such file, and no stage writes one"


@pytest.mark.parametrize("module", PLUMBING)
def test_plumbing_is_imported_and_in_no_dep(module: str) -> None:
    stages = [stage for stage in STAGES if module in _closure(stage)]
    assert stages, "no stage imports it; delete the entry"
    listed = [stage for stage in stages if module not in _uncovered(_closure(stage), _deps(stage))]
    assert not listed, "either delete the entry or the dep"


@pytest.mark.parametrize("cut", CUTS, ids=" ".join)
def test_cut_import_is_one_that_the_stage_would_have_to_list(cut: tuple[str, str, str]) -> None:
    stage, _, imported = cut
    whole = import_closure(_script(stage), SRC)
    assert imported in whole.keys() - _closure(stage).keys(), (
        "it cuts nothing off; delete the entry"
    )
    assert imported in _uncovered(whole, _deps(stage)), "it is a dep as well; delete one of them"


# Stages that import `models` or augmentations and list them through the description alone.
_NETWORK_STAGES = [
    stage
    for stage in STAGES
    if any(
        _is_behind_barrier(stage, module) for module in _uncovered(_closure(stage), _deps(stage))
    )
]


@cache
def _rows() -> dict[str, tuple[Variant, Recipe]]:
    """Every row of the catalogue with its paper's recipe."""
    catalogue = Catalogue(PROJECT / "params.yaml")
    variants = {name: Variant(**cells) for name, cells in catalogue.variants.items()}
    return {
        name: (variant, Recipe(**catalogue.recipes[f"{variant.recipe}_paper"]))
        for name, variant in variants.items()
    }


def _row_parts(variant: Variant, recipe: Recipe) -> dict[str, str]:
    """The plug-in packages that a row chooses from, with its choice."""
    return {
        "ferbench.models.backbones": variant.backbone,
        "ferbench.models.convs": variant.conv,
        "ferbench.models.attention": variant.attention,
        "ferbench.models.heads": variant.head,
        "ferbench.models.losses": variant.loss,
        "ferbench.data.augmentations": recipe.augment,
    }


@cache
def _digested(name: str) -> frozenset[str]:
    return frozenset(
        module for metric in SELECTING for module in code_modules(*_rows()[name], metric)
    )


def test_stages_that_train_or_run_networks_are_behind_the_barrier() -> None:
    assert {"train", "evaluate", "robustness", "explain", "latency"} <= set(_NETWORK_STAGES)


@pytest.mark.parametrize("stage", _NETWORK_STAGES)
def test_description_digests_all_code_of_a_row_that_a_stage_imports(stage: str) -> None:
    missing: dict[str, set[str]] = {}
    for name, (variant, recipe) in _rows().items():
        cuts = [("*", module) for module, (runs, _) in RUN_FOR.items() if not runs(variant)]
        closures = [
            import_closure(
                _script(stage), SRC, _row_parts(variant, recipe) | {METRICS: metric}, cuts
            )
            for metric in SELECTING
        ]
        closure = {module: importer for found in closures for module, importer in found.items()}
        needed = {m for m in _uncovered(closure, _deps(stage)) if m.startswith(BEHIND_BARRIER)}
        for module in needed - _digested(name):
            missing.setdefault(module, set()).add(name)
    assert not missing, f"{stage}: add these to `code_modules` or to the deps of the stage"


@pytest.mark.parametrize("module", RUN_FOR)
def test_digest_has_a_module_that_some_rows_run_for_exactly_those(module: str) -> None:
    assert module in _closure("train"), "no row imports it; delete the entry"
    runs, _ = RUN_FOR[module]
    rows = _rows()
    assert {name for name in rows if module in _digested(name)} == {
        name for name, (variant, _) in rows.items() if runs(variant)
    }


def test_run_key_digests_the_code_that_train_depends_on() -> None:
    digested = {path.relative_to(SRC.parent).as_posix() for path in record._CODE}
    listed = {dep for dep in _deps("train") if dep.startswith("src/")}
    assert digested == listed, "dvc.yaml and training/record.py differ"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder `src` of a made-up package with a lazy import, plug-ins and a type-only import."""
    files = {
        "stage.py": "from lib.core import run\n",
        "src/lib/__init__.py": '"""Nothing but a docstring."""\n',
        "src/lib/core.py": (
            "import os\n"
            "from typing import TYPE_CHECKING\n"
            "from lib.plugins import load\n"
            "if TYPE_CHECKING:\n    from lib.types_only import Row\n"
            "_COLUMNS = {'part': 'lib.parts'}\n"
            "def run(name):\n"
            "    from lib import lazy\n"
            "    return load(_COLUMNS['part'], name)(lazy)\n"
        ),
        "src/lib/lazy.py": "import lib.deep.far\n",
        "src/lib/deep/__init__.py": "VALUE = 1\n",
        "src/lib/deep/far.py": "",
        "src/lib/plugins.py": "",
        "src/lib/types_only.py": "",
        "src/lib/unrelated.py": "",
        "src/lib/parts/__init__.py": "",
        "src/lib/parts/one.py": "from lib.shared import THING\n",
        "src/lib/parts/two.py": "",
        "src/lib/shared.py": "THING = 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "src"


def test_closure_follows_lazy_imports_plugins_and_packages_with_code(package: Path) -> None:
    assert import_closure(package.parent / "stage.py", package) == {
        "lib.core": "stage.py",
        "lib.deep": "lib.lazy",
        "lib.deep.far": "lib.lazy",
        "lib.lazy": "lib.core",
        "lib.parts.one": "lib.core",
        "lib.parts.two": "lib.core",
        "lib.plugins": "lib.core",
        "lib.shared": "lib.parts.one",
    }


def test_closure_of_one_chosen_part_leaves_out_what_only_others_import(package: Path) -> None:
    closure = import_closure(package.parent / "stage.py", package, parts={"lib.parts": "two"})
    assert "lib.parts.two" in closure
    assert closure.keys().isdisjoint({"lib.parts.one", "lib.shared"})


def test_closure_does_not_follow_a_cut_import(package: Path) -> None:
    closure = import_closure(package.parent / "stage.py", package, cuts=[("lib.core", "lib.lazy")])
    assert closure.keys().isdisjoint({"lib.lazy", "lib.deep", "lib.deep.far"})


@pytest.mark.parametrize(
    ("omitted", "module", "importer"),
    [
        ("src/lib/lazy.py", "lib.lazy", "lib.core"),
        ("src/lib/shared.py", "lib.shared", "lib.parts.one"),
        ("src/lib/parts/two.py", "lib.parts.two", "lib.core"),
    ],
)
def test_omitted_dep_is_reported_with_the_line_to_add(
    package: Path, omitted: str, module: str, importer: str
) -> None:
    closure = import_closure(package.parent / "stage.py", package)
    names = ("core", "lazy", "plugins", "shared", "parts/one", "parts/two")
    deps = ["src/lib/deep", *(f"src/lib/{name}.py" for name in names)]
    assert not _uncovered(closure, deps, package)
    missing = _uncovered(closure, [dep for dep in deps if dep != omitted], package)
    assert missing == {module: importer}
    assert _complaint("stage", missing, package) == (
        f"stage: {module}, imported by {importer}, is in no dep; add `- {omitted}`"
    )
