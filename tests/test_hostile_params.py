"""No value of params.yaml reaches a shell: the real dvc.yaml, run by the real DVC.

DVC puts values into `cmd` unquoted and gives that to a shell, before any code of this project has
read the file. The scripts are replaced by one that writes what its stage declares, so that a plain
`dvc repro` goes through all stages with names that `load_params` would refuse.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.example_study import PROJECT, example_tree

STAGES: dict[str, Any] = {
    name: stage.get("do", stage)
    for name, stage in yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"].items()
}
# One way out of a word for each table; `pwned` is the file that would be made.
HOSTILE = {
    "seeds": "0;touch pwned",
    "variants": "$(touch pwned)",
    "datasets": "`touch pwned`",
    "robustness": "'; touch pwned; '",
    "latency": '"; touch pwned; "',
    "explain": "x\ntouch pwned\n",
    "study": "a|touch pwned",
}

# Leaves every output of its stage; the files are kept in JSON by the name of the stage.
STUB = """
import json, os, sys
from pathlib import Path
outs = json.loads(Path("outs.json").read_text())[os.environ["DVC_STAGE"]]
for out in map(Path, outs):
    file = out if out.suffix else out / "boxes.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(os.environ["DVC_STAGE"])
with Path("calls.jsonl").open("a") as calls:
    print(json.dumps(sys.argv), file=calls)
"""
# What DVC makes of several parameter files, one after another: importing it takes seconds.
RESOLVE = """
import json, shutil, sys
from dvc.repo import Repo
found = []
for path in sys.argv[1:]:
    shutil.copy(path, "params.yaml")
    stages = {s.addressing: s for s in Repo().index.stages}
    outs = {name: [str(out.def_path) for out in stage.outs] for name, stage in stages.items()}
    found.append({"cmd": {name: s.cmd for name, s in stages.items()}, "outs": outs})
json.dump(found, sys.stdout)
"""
# DVC's command on each of several parameter files; what it reports of each ends with a NUL.
REPRO = """
import shutil, sys
from dvc.cli import main
for path in sys.argv[1:]:
    shutil.copy(path, "params.yaml")
    main(["repro", "-k"])
    print(end="\\0", file=sys.stderr, flush=True)
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the real dvc.yaml, its deps as empty files and scripts that are stubs."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "dvc.yaml").write_bytes((PROJECT / "dvc.yaml").read_bytes())
    for dep in {dep for stage in STAGES.values() for dep in stage["deps"]}:
        if dep.startswith(("pipeline/", "src/", "studies/")):
            path = folder / dep / "empty.py" if (PROJECT / dep).is_dir() else folder / dep
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(STUB if dep.startswith("pipeline/") else "# a dep")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    return folder


def _python(*words: str) -> str:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _hostile(words: dict[str, str]) -> Any:
    """The example study with one row a table, under a word that would get out of a command."""
    tree = example_tree()
    for table in ("variants", "datasets", "robustness", "latency", "explain"):
        tree[table] = {words[table]: next(iter(tree[table].values()))}
    # DVC reads params.yaml once a stage, slowly; only the names of recipes matter here.
    tree["recipes"] = {name: {"epochs": 1} for name in tree["recipes"]}
    tree["seeds"] = [words["seeds"]]
    tree["study"]["name"] = words["study"]
    return tree


def _written(*trees: Any) -> list[str]:
    paths = [f"params{number}.yaml" for number in range(len(trees))]
    for path, tree in zip(paths, trees, strict=True):
        Path(path).write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return paths


def _resolved(*trees: Any) -> list[dict[str, Any]]:
    return list(json.loads(_python("-c", RESOLVE, *_written(*trees))))


def _reproduced(*trees: Any) -> list[str]:
    """What `dvc repro -k` reports on stderr for each parameter file, one after another."""
    words = [sys.executable, "-c", REPRO, *_written(*trees)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    reports = done.stderr.split("\0")[:-1]
    assert len(reports) == len(trees), done.stderr
    return reports


def test_no_command_of_the_pipeline_has_a_value_in_it() -> None:
    for name, stage in STAGES.items():
        assert "${" not in stage["cmd"], name
        assert "wdir" not in stage, name


@pytest.mark.thorough
def test_dvc_resolves_hostile_names_to_commands_without_them(checkout: Path) -> None:
    commands = {stage["cmd"] for stage in STAGES.values()}
    trees = [_hostile(dict.fromkeys(HOSTILE, word)) for word in HOSTILE.values()]
    for word, resolved in zip(HOSTILE.values(), _resolved(*trees), strict=True):
        assert len(resolved["cmd"]) == len(STAGES), f"a stage of each kind is there: {word!r}"
        assert set(resolved["cmd"].values()) == commands, repr(word)


@pytest.mark.thorough
def test_a_plain_repro_of_hostile_names_runs_no_command_of_theirs(checkout: Path) -> None:
    (resolved,) = _resolved(_hostile(HOSTILE))
    Path("outs.json").write_text(json.dumps(resolved["outs"]))
    _python("-m", "dvc", "repro")
    assert not list(Path().rglob("pwned"))
    calls = [json.loads(line) for line in Path("calls.jsonl").read_text().splitlines()]
    named = {name for _, *words in calls for name in words}
    assert len(calls) == len(STAGES), "every stage ran"
    assert named == {name for name in resolved["cmd"] if "@" in name}, "whole, and untouched"


def test_a_seed_that_is_no_word_is_no_command_either(checkout: Path) -> None:
    trees = []
    for seed in ({"0;touch pwned": 1}, ["0;touch pwned"]):
        tree = _hostile(dict.fromkeys(HOSTILE, "x"))
        tree["seeds"] = [seed]
        trees.append(tree)
    _reproduced(*trees)
    assert not list(Path().rglob("pwned"))


@pytest.mark.thorough
def test_a_data_set_that_leads_out_of_its_folder_deletes_nothing(checkout: Path) -> None:
    """DVC clears outputs before it runs a command; here two stages have one, and none is run."""
    places = [Path("mine"), Path("data/mine"), Path("../mine")]
    for place in places:
        place.mkdir(parents=True)
        (place / "kept").write_text("a")
    names = ("../../mine", "../mine", "../../../mine")
    words = dict.fromkeys(HOSTILE, "x") | {"seeds": 0}
    for error in _reproduced(*(_hostile(words | {"datasets": name}) for name in names)):
        assert "is specified in" in error
    assert all((place / "kept").exists() for place in places)
