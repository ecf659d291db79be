"""What several command tests share: a folder that looks like the project to a command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.example_study import example_tree


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, as the current folder, with the studies `first` and `second`.

    `second` has one seed instead of three, one variant less, and another `persons`.
    """
    tree = example_tree()
    variants = list(tree["variants"])[:2]
    tree["variants"] = {name: tree["variants"][name] for name in variants}
    tree["study"] |= {"name": "first", "control": variants[0], "title": "The first"}
    dataset = next(iter(tree["datasets"].values()))
    tree["datasets"] = {"faces": dataset | {"name": "faces", "options": {"persons": 12}}}
    tree["seeds"] = [0, 1, 2]
    (tmp_path / "studies").mkdir()
    _write(tmp_path / "studies" / "first.yaml", tree)
    tree["study"] |= {"name": "second", "title": "The second"}
    tree["seeds"] = [0]
    del tree["variants"][variants[1]]
    tree["datasets"]["faces"]["options"]["persons"] = 3
    _write(tmp_path / "studies" / "second.yaml", tree)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def other_command(project: Path) -> Iterator[None]:
    """Another process that holds the project, as a running `ferbench repro` does."""
    code = (
        "from ferbench.cli.lock import exclusive\n"
        "with exclusive():\n    print('held', flush=True)\n    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


def _write(path: Path, tree: object) -> None:
    path.write_text(yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8")
