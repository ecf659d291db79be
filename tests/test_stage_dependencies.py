"""The deps of every stage in dvc.yaml against the modules that its script imports.

DVC repeats a stage when one of its deps has changed, so an edit of a module that is missing there
leaves stale results. A dep that is a folder covers all files below it. Two kinds of modules need
no dep: those in `PLUMBING`, and those behind the barrier.

The barrier is the description of a variant, `reports/<study>/variants/<variant>.json`. It holds a
digest of the code that the variant's row runs: of the definitions in `ferbench.models`,
`ferbench.data.augmentations` and `ferbench.evaluation.metrics` that its parts, its augmentation and
its selecting metric name, directly or through others. A stage that depends on it needs no dep on
these packages, and an edited attention repeats only the rows that name it. What a stage itself uses
of the packages must be among the `roots` that `ferbench.models.describe` starts from: the tests of
the barrier compare the two for every row of the catalogue. Definitions of files that a stage lists,
such as `deployed` of `latency`, need not be.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.import_closure import import_closure, imported_names, module_file, named_packages
from tests.whole_checkout import checkout, environment

from ferbench.config.catalogue import Catalogue, study_files
from ferbench.config.params import Recipe, Variant, load_params
from ferbench.models.build import PARTS
from ferbench.models.describe import FOLLOWED, roots
from ferbench.plugins import module_of
from ferbench.training import provenance

PROJECT = Path(__file__).parents[1]
SRC = PROJECT / "src"
STAGES: dict[str, Any] = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"].items()
}

# Modules that no stage lists: an edit leaves the numbers as they are, or makes stages fail.
PLUMBING = {
    "ferbench.artifacts.paths": "folders of data sets and studies; a moved one is a missing output",
    "ferbench": "imports `ferbench.environment` and holds the version",
    "ferbench.config.catalogue": "params.yaml is written out in full, and DVC compares its values",
    "ferbench.config.runs": "command-line words and folders; a moved folder is a missing output",
    "ferbench.cli.stage": "exit status and messages of a script",
    "ferbench.cli.dvc_files": "how DVC reads and writes its own files",
    "ferbench.cli.dvc_commands": "what DVC's processes are asked",
    "ferbench.cli.dvc_checks": "which stages DVC finds out of date",
    "ferbench.cli.unchanged": "whether DVC need be asked",
    "ferbench.cli.lifeline": "ends a stage whose DVC process is gone",
    "ferbench.cli.stage_times": "records what a stage took",
    "ferbench.environment": "cache folder and switches of other packages; the number of threads "
    "changes rounding at most, as another machine does",
    "ferbench.errors": "messages",
    "ferbench.files": "how files are written and hashed, not what is in them",
    "ferbench.locks": "whether a process waits, not what it computes",
    "ferbench.config.claims": "types of claims, whose values DVC compares, and their refusal",
    "ferbench.config.checks": "refuses contradictions of params.yaml; it changes no value",
    "ferbench.config.params": "types of params.yaml and look-ups in it; DVC compares its values",
    "ferbench.plugins": "imports a module by its name",
    "ferbench.config.records": "checks types of params.yaml, whose values DVC compares",
}

# Sources that a stage reads as text: they are in its deps and never imported.
READ_AS_TEXT = {
    "describe": {"src/ferbench/data/augmentations", "src/ferbench/evaluation/metrics"},
}

# Modules that a string names, so that the closure does not follow them: (file, name). The result
# of a stage must not depend on them.
RUN_TIME_NAMES = {
    ("pipeline/train.py", "ferbench.tracking.live:Recorder"): (
        "imported while a training runs, which it observes but cannot change, as "
        "tests/training/test_run.py shows; an edit of tracking must not retrain"
    ),
    ("src/ferbench/cli/lifeline.py", "ferbench.cli.lifeline"): "the command line of a process",
    ("src/ferbench/cli/warm.py", "ferbench.config.params"): "imported by a stage, or not used",
    ("src/ferbench/data/images.py", "ferbench.data.decoding"): "the name of a logger or process",
    ("src/ferbench/models/describe.py", "ferbench.models.build"): "code whose digest is taken",
    ("src/ferbench/models/describe.py", "ferbench.models.folded_norm"): "the same",
    ("src/ferbench/models/describe.py", "ferbench.models.pretrained"): "the same",
    ("src/ferbench/models/describe.py", "ferbench.models.weights"): "the same",
}

BARRIER = "reports/${study.name}/variants"
METRICS = "ferbench.evaluation.metrics"
# The metrics that select a checkpoint in some study. Training loads the selecting one alone.
SELECTING = sorted(
    {
        metric
        for study in study_files(PROJECT / "studies")
        for metric in load_params(study).train.select.values()
    }
)
# Definitions that stages import for every row and run for some of them.
RUN_FOR: dict[tuple[str, str], tuple[Callable[[Variant], bool], str]] = {
    ("ferbench.models.folded_norm", "unfold_norms"): (
        lambda variant: variant.weights != "none",
        "it is called for rows with initial weights",
    ),
    ("ferbench.models.pretrained", "load_initial"): (
        lambda variant: variant.weights != "none",
        "it returns at once for `weights: none`",
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
    loaded = [module_of(METRICS, m).rpartition(".")[2] for m in SELECTING]
    loaded = loaded if stage == "train" else [""]
    closures = [import_closure(_script(stage), SRC, {METRICS: m}) for m in loaded]
    return {module: importer for found in closures for module, importer in found.items()}


def _uncovered(closure: dict[str, str], deps: list[str], src: Path = SRC) -> dict[str, str]:
    """The modules of a closure that no dep covers, each with a module that imports it."""
    return {
        module: importer
        for module, importer in closure.items()
        if not any(_covers(dep, _file(module, src)) for dep in deps)
    }


def _is_behind_barrier(stage: str, module: str) -> bool:
    deps = _deps(stage)
    hidden = module.startswith(FOLLOWED) and any(dep.startswith(BARRIER) for dep in deps)
    return hidden and not any(_covers(dep, _file(module)) for dep in deps)


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
    code = [dep for dep in code if dep not in READ_AS_TEXT.get(stage, ())]
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


# Stages that import `models`, augmentations or metrics and list them through the description alone.
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


@cache
def _roots(name: str) -> frozenset[tuple[str, str]]:
    return frozenset(root for metric in SELECTING for root in roots(*_rows()[name], metric))


@cache
def _used_of_barrier(stage: str) -> tuple[frozenset[tuple[str, str]], frozenset[str]]:
    """Definitions behind the barrier that a stage's other code imports, and packages it loads."""
    modules = [m for m in _closure(stage) if not m.startswith(FOLLOWED)]
    files = [_script(stage), *(f for m in modules if (f := module_file(m, SRC)))]
    definitions = {pair for file in files for pair in imported_names(file)}
    packages = {package for file in files for package in named_packages(file, SRC)}
    return (
        frozenset(
            (m, n) for m, n in definitions if m.startswith(FOLLOWED) and _is_hidden(stage, m)
        ),
        frozenset(p for p in packages if f"{p}.".startswith(FOLLOWED)),
    )


def _is_hidden(stage: str, module: str) -> bool:
    return not any(_covers(dep, _file(module)) for dep in _deps(stage))


def test_stages_that_train_or_run_networks_are_behind_the_barrier() -> None:
    assert {"train", "evaluate", "robustness", "explain", "latency"} <= set(_NETWORK_STAGES)


@pytest.mark.parametrize("stage", _NETWORK_STAGES)
def test_description_digests_every_definition_that_a_stage_uses_for_a_row(stage: str) -> None:
    definitions, packages = _used_of_barrier(stage)
    assert packages <= {*PARTS.values(), "ferbench.data.augmentations", METRICS}
    missing: dict[tuple[str, str], list[str]] = {}
    for name, (variant, _) in _rows().items():
        idle = {definition for definition, (runs, _) in RUN_FOR.items() if not runs(variant)}
        for definition in definitions - idle - _roots(name):
            missing.setdefault(definition, []).append(name)
    assert not missing, f"{stage}: add these to the roots in `describe` or to the stage's deps"


@pytest.mark.parametrize("definition", RUN_FOR, ids=".".join)
def test_digest_has_a_definition_that_some_rows_run_for_exactly_those(
    definition: tuple[str, str],
) -> None:
    assert definition in _used_of_barrier("train")[0], "no row imports it; delete the entry"
    runs, _ = RUN_FOR[definition]
    rows = _rows()
    assert {name for name in rows if definition in _roots(name)} == {
        name for name, (variant, _) in rows.items() if runs(variant)
    }


def test_run_key_digests_the_code_that_train_depends_on() -> None:
    digested = {path.relative_to(PROJECT).as_posix() for path in provenance.stage_code("train")}
    assert digested == {dep for dep in _deps("train") if dep.startswith("src/")}


def _dotted_strings(path: Path) -> set[str]:
    """String constants of a file that name a module of ferbench, with or without an attribute."""
    strings = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    names = (text for text in strings if re.fullmatch(r"ferbench(\.\w+)+(:\w+)?", text))
    return {name for name in names if module_file(name.partition(":")[0], SRC) is not None}


def test_only_the_observer_of_training_is_imported_by_a_name_that_the_closure_misses() -> None:
    """Names of packages are followed as plug-in folders, so only names of modules hide imports."""
    hidden: set[tuple[str, str]] = set()
    for path in [*(PROJECT / "pipeline").glob("*.py"), *SRC.rglob("*.py")]:
        names = _dotted_strings(path)
        modules = {name for name in names if not (SRC / name.replace(".", "/")).is_dir()}
        hidden |= {(path.relative_to(PROJECT).as_posix(), name) for name in modules}
    assert hidden == RUN_TIME_NAMES.keys(), "import a module by a statement, or give the reason"


@pytest.mark.parametrize("package", ["tracking", "reporting"])
@pytest.mark.parametrize("stage", ["train", "evaluate", "robustness"])
def test_an_edit_of_tracking_or_reporting_repeats_no_training_or_prediction(
    stage: str, package: str
) -> None:
    files = [p.relative_to(PROJECT).as_posix() for p in (SRC / "ferbench" / package).rglob("*.py")]
    assert files
    assert not [file for file in files if any(_covers(dep, file) for dep in _deps(stage))]
    assert not [m for m in _closure(stage) if m.startswith(f"ferbench.{package}")]


@pytest.mark.slow
def test_dvc_repeats_no_training_after_an_edit_of_tracking_or_reporting(tmp_path: Path) -> None:
    """The outputs of the stages are made up: DVC only compares files with `dvc.lock`."""
    folder = checkout(tmp_path)
    params = yaml.safe_load((folder / "params.yaml").read_text())
    variant, dataset, seed = next(iter(params["variants"])), *params["datasets"], params["seeds"][0]
    stages = [f"{name}@{variant}-{dataset}-{seed}" for name in ("train", "evaluate")]
    words = {"study.name": params["study"]["name"], "item.variant": variant}
    words |= {"item.dataset": dataset, "item.seed": str(seed)}
    for stage in ("train", "evaluate"):
        for path in (*STAGES[stage]["deps"], *STAGES[stage]["outs"]):
            for name, word in words.items():
                path = path.replace(f"${{{name}}}", word)
            if not (folder / path).exists():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_text("made up\n")

    def dvc(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *command],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def edit(module: str) -> None:
        path = folder / "src" / "ferbench" / module
        path.write_text(path.read_text() + "\n# A comment.\nEDITED = True\n")

    dvc("commit", "--force", *stages)
    edit("tracking/live.py")
    edit("tracking/runs.py")
    edit("reporting/report.py")
    assert dvc("status", *stages).strip() == "Data and pipelines are up to date."
    edit("training/fit.py")
    changed = dvc("status", *stages)
    assert stages[0] in changed
    assert "src/ferbench/training" in changed


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
