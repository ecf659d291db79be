"""Every stage of dvc.yaml, run in order on a few generated faces, in this process.

DVC itself only resolves dvc.yaml here: which stages a study has, in which order, and what each of
them has to write. Whole runs of DVC are in `tests/cli`.
"""

from __future__ import annotations

import runpy
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from dvc.repo import Repo
from dvc.stage import PipelineStage
from networkx import topological_sort
from tests.example_study import PROJECT

from ferbench.config.catalogue import expand, read_yaml

VARIANTS = ["vgg_improved_quarter", "yolov5s_half"]


def tiny_tree() -> dict[str, Any]:
    """The study `smoke` with two variants on seventy faces, one robustness test, few metrics."""
    study = PROJECT / "studies" / "smoke.yaml"
    tree = expand(read_yaml(study), study)
    tree["variants"] = {name: tree["variants"][name] for name in VARIANTS}
    (dataset,) = tree["datasets"].values()
    dataset["options"] |= {"persons": 12, "images_per_person": 7}
    tree["robustness"] = {"canvas": tree["robustness"]["canvas"]}
    tree["train"] |= {"accelerator": "cpu", "progress": False}
    return tree


@pytest.fixture
def checkout(tmp_path: Path, own_store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pipeline and a tiny study, which is the current one."""
    for name in ("pipeline", "src", "studies"):
        (tmp_path / name).symlink_to(PROJECT / name)
    shutil.copy(PROJECT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tiny_tree(), sort_keys=False))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stages_in_order() -> list[PipelineStage]:
    """The stages of the current folder's dvc.yaml, each after those it depends on."""
    with Repo.init(".", no_scm=True) as repo, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # in DVC's dependencies
        graph = repo.index.graph  # from a stage to those it needs
        return list(reversed(list(topological_sort(graph))))


def run_script(name: str, monkeypatch: pytest.MonkeyPatch) -> int | str | None:
    """Run the script of a stage as DVC does, but in this process; its exit status."""
    script = f"pipeline/{name.partition('@')[0]}.py"
    monkeypatch.setattr(sys, "argv", [script, name])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(script, run_name="__main__")
    return end.value.code


def test_every_stage_of_a_tiny_study_writes_its_outputs(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = stages_in_order()
    scripts = {stage.name.partition("@")[0] for stage in stages}
    assert scripts == {path.stem for path in (PROJECT / "pipeline").glob("*.py")}
    for stage in stages:
        assert run_script(stage.name, monkeypatch) == 0, stage.name
        missing = [out.fs_path for out in stage.outs if not Path(out.fs_path).exists()]
        assert not missing, stage.name

    results = pd.read_csv("reports/smoke/results.csv")
    assert set(results["variant"]) == set(VARIANTS)
    assert set(results["seed"]) == {0, 1}
    report = Path("reports/smoke/report.md").read_text()
    assert all(variant in report for variant in VARIANTS)
    assert Path("reports/smoke/index.html").stat().st_size > 10_000
