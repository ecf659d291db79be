"""The DVC that ferbench starts reads and writes what DVC would, and parses no text twice."""

from __future__ import annotations

import json
import subprocess
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dulwich.repo import Repo
from dvc import dvcfile
from dvc.utils import strictyaml
from dvc.utils.serialize import _yaml, load_yaml
from scmrepo.git.backend.dulwich import DulwichBackend
from tests.example_study import PROJECT
from voluptuous import Invalid, MultipleInvalid

from ferbench.cli.dvc_files import speed_up_dvc

# Words that YAML 1.1 takes for something else, and values of every kind.
VALUES = ["on", "yes", "12:30", "1e-3", 1e-3, 0.0001, "012", None, True, 1, 1.0, "~", "a: b", ""]
LONG = "é\n\n" + 40 * "long words "
KEPT = Path(".cache/dvc_lock.json")


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """In an empty folder with a fast DVC: the texts that DVC's own parser is given."""
    texts: list[str] = []
    parse = _yaml.parse_yaml

    def counted(text: str, path: Any, typ: str = "safe") -> Any:
        texts.append(text)
        return parse(text, path, typ=typ)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_yaml, "parse_yaml", counted)
    monkeypatch.setattr(strictyaml, "parse_yaml", strictyaml.parse_yaml)
    monkeypatch.setattr(strictyaml, "validate", strictyaml.validate)
    monkeypatch.setattr(dvcfile, "modify_yaml", dvcfile.modify_yaml)
    monkeypatch.setattr(DulwichBackend, "is_tracked", DulwichBackend.is_tracked)
    speed_up_dvc()
    yield texts


def stage(value: Any) -> dict[str, Any]:
    params = OrderedDict(b=value, a={})
    return OrderedDict(cmd="python x.py", params={"params.yaml": params}, deps=[LONG])


def write(name: str, value: Any, modify: Any = None) -> str:
    """Add or replace a stage of `dvc.lock` as DVC does; the text of the file."""
    with (modify or dvcfile.modify_yaml)("dvc.lock") as data:
        if not data:
            data.update({"schema": "2.0"})
        data["stages"] = data.get("stages", {})
        data["stages"].update({name: stage(value)})
    return Path("dvc.lock").read_text(encoding="utf-8")


def test_the_lock_file_is_what_dvc_would_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = []
    for fast in (False, True):
        with monkeypatch.context() as patch:
            for module, name in (
                (_yaml, "parse_yaml"),
                (strictyaml, "parse_yaml"),
                (strictyaml, "validate"),
            ):
                patch.setattr(module, name, getattr(module, name))
            patch.setattr(dvcfile, "modify_yaml", dvcfile.modify_yaml)
            patch.setattr(DulwichBackend, "is_tracked", DulwichBackend.is_tracked)
            if fast:
                speed_up_dvc()
            Path("dvc.lock").unlink(missing_ok=True)
            for name, value in (("one", VALUES), ("a@b-1.5", 2), ("three", LONG), ("one", VALUES)):
                write(name, value)
        loaded.append(load_yaml("dvc.lock"))
    assert loaded[0] == loaded[1]
    assert list(loaded[1]["stages"]) == ["one", "a@b-1.5", "three"]
    assert list(loaded[1]["stages"]["one"]["params"]["params.yaml"]) == ["b", "a"]
    assert json.dumps(loaded[0]) == json.dumps(loaded[1])


def test_a_stage_that_changes_leaves_the_lines_of_the_others(parsed: list[str]) -> None:
    for name in ("one", "two", "three"):
        before = write(name, VALUES)
    after = write("two", 5)
    assert before.partition("  two:")[0] == after.partition("  two:")[0]
    assert before.partition("  three:")[2] == after.partition("  three:")[2]
    assert load_yaml("dvc.lock")["stages"]["two"] == stage(5)


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), (1.0, 1)])
def test_a_value_that_changes_its_type_alone_is_written(
    parsed: list[str], old: Any, new: Any
) -> None:
    write("one", old)
    write("one", new)
    read = yaml.safe_load(Path("dvc.lock").read_text(encoding="utf-8"))
    assert repr(read["stages"]["one"]["params"]["params.yaml"]["b"]) == repr(new)


def test_what_another_program_wrote_is_extended(parsed: list[str]) -> None:
    """With a comment, other indentation, aliases, and a table that we do not know."""
    Path("dvc.lock").write_text("# mine\nschema: '2.0'\nstages:\n    old: {cmd: x}\n")
    write("new", 1)
    assert list(load_yaml("dvc.lock")["stages"]) == ["old", "new"]
    Path("dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  a:\n    outs: &id001\n    - x\n  b:\n    outs: *id001\n"
    )
    write("a", 1)
    assert load_yaml("dvc.lock")["stages"]["b"] == {"outs": ["x"]}
    Path("dvc.lock").write_text("schema: '2.0'\ndatasets:\n- name: x\nstages: {}\n")
    write("a", 1)
    assert load_yaml("dvc.lock")["datasets"] == [{"name": "x"}]


def test_a_text_is_parsed_once_and_the_result_is_the_callers_own(parsed: list[str]) -> None:
    path = Path("params.yaml")
    path.write_text("a: {b: 1}\n")
    first = load_yaml(str(path))
    first["a"]["b"] = 2
    assert load_yaml(str(path)) == {"a": {"b": 1}}
    assert len(parsed) == 1
    path.write_text("a: {b: 3}\n")
    assert load_yaml(str(path)) == {"a": {"b": 3}}


def test_only_the_last_text_of_a_file_is_kept_in_memory(parsed: list[str]) -> None:
    """`dvc.lock` has another text after every stage, and megabytes in a large study."""
    path = Path("params.yaml")
    for text in ("a: 1\n", "a: 2\n", "a: 1\n"):
        path.write_text(text)
        load_yaml(str(path))
    assert parsed == ["a: 1\n", "a: 2\n", "a: 1\n"]


def test_a_lock_file_is_parsed_once_for_all_processes(parsed: list[str]) -> None:
    text = write("one", VALUES)
    speed_up_dvc()  # as another process: nothing is in its memory
    assert strictyaml.parse_yaml(text, "dvc.lock") == {
        "schema": "2.0",
        "stages": {"one": stage(VALUES)},
    }
    assert not parsed


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"checked_sha256": 1, "data": {}}', "\x00"])
def test_a_damaged_record_of_the_lock_file_is_not_used(parsed: list[str], kept: str) -> None:
    text = write("one", 1)
    KEPT.write_text(kept)
    speed_up_dvc()
    assert strictyaml.parse_yaml(text, "dvc.lock")["stages"]["one"] == stage(1)
    assert parsed == [text]


class Schema:
    """Refuses what has no stages, and counts what it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, data: Any) -> Any:
        self.calls += 1
        if "stages" not in data:
            raise MultipleInvalid([Invalid("no stages")])
        return data


def test_a_text_is_checked_once_and_another_text_again(parsed: list[str]) -> None:
    path, schema = Path("dvc.yaml"), Schema()
    for text, calls in (("stages: {}\n", 1), ("stages: {}\n", 1), ("stages: {a: 1}\n", 2)):
        path.write_text(text)
        strictyaml.load(str(path), schema)
        assert schema.calls == calls


def test_a_lock_file_that_dvc_has_written_or_checked_is_not_checked_by_other_processes(
    parsed: list[str],
) -> None:
    schema = Schema()
    write("one", 1)
    strictyaml.load("dvc.lock", schema)
    assert schema.calls == 0
    Path("dvc.lock").write_text("schema: '2.0'\nstages: {}\n")
    for calls in (1, 1):
        speed_up_dvc()  # as another process
        strictyaml.load("dvc.lock", schema)
        assert schema.calls == calls


def test_a_lock_file_that_is_not_as_expected_is_refused_every_time(parsed: list[str]) -> None:
    Path("dvc.lock").write_text("schema: '2.0'\n")
    for _ in range(3):
        speed_up_dvc()
        for _ in range(2):
            with pytest.raises(strictyaml.YAMLValidationError):
                strictyaml.load("dvc.lock", Schema())
    assert not KEPT.exists()


def test_other_yaml_files_keep_their_comments(parsed: list[str]) -> None:
    path = Path("dvc.yaml")
    path.write_text("a: 1  # why\n")
    with dvcfile.modify_yaml(str(path)) as data:
        data["b"] = 2
    assert path.read_text() == "a: 1  # why\nb: 2\n"


def test_the_projects_lock_file_keeps_its_text(parsed: list[str]) -> None:
    """So that ferbench's DVC and DVC alone do not undo each other's formatting in git."""
    text = (PROJECT / "dvc.lock").read_text(encoding="utf-8")
    Path("dvc.lock").write_text(text, encoding="utf-8")
    with dvcfile.modify_yaml("dvc.lock") as data:
        name, one = next(iter(data["stages"].items()))
        data["stages"][name] = {**one, "cmd": "another"}
    with dvcfile.modify_yaml("dvc.lock") as data:
        data["stages"][name] = one
    assert Path("dvc.lock").read_text(encoding="utf-8") == text


def test_files_that_git_has_are_known_and_the_list_is_read_again_when_it_changes(
    parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], check=True, capture_output=True)

    git("init", "-q")
    Path("src").mkdir()
    for name in ("src/a.py", "src.txt", "b.py"):
        Path(name).touch()
    git("add", "src/a.py")
    read = []
    open_index = Repo.open_index
    monkeypatch.setattr(Repo, "open_index", lambda own: (read.append(1), open_index(own))[1])  # type: ignore[func-returns-value]
    backend = DulwichBackend(".")
    for name, tracked in (("src/a.py", True), ("src", True), ("src.txt", False), ("b.py", False)):
        assert backend.is_tracked(str(Path(name).resolve())) is tracked
    assert len(read) == 1
    git("add", "b.py")
    assert backend.is_tracked(str(Path("b.py").resolve()))
    assert len(read) == 2


def test_a_new_repository_has_no_files(parsed: list[str]) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    Path("a.py").touch()
    assert not DulwichBackend(".").is_tracked(str(Path("a.py").resolve()))
