"""Stages in forks of the warm process behave as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from ferbench.cli.warm import _code, _Server, warm_python
from ferbench.cli.warm_client import ADDRESS

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux only")

HELPER = """
from pathlib import Path
with Path("imports.txt").open("a") as file:
    file.write("imported\\n")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scripts; `counted` notes each of its imports."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pipeline").mkdir()
    (folder / "counted.py").write_text(HELPER)
    return folder


@pytest.fixture(scope="module")
def environment(project: Path) -> Iterator[dict[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        path = os.pathsep.join([str(project), os.environ.get("PYTHONPATH", "")])
        patch.setenv("PYTHONPATH", path)
        with warm_python() as variables:
            yield {**os.environ, **variables}


def script(project: Path, name: str, text: str) -> str:
    (project / "pipeline" / f"{name}.py").write_text(text)
    return f"python pipeline/{name}.py"


def run(
    command: str, project: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        shell=True,
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def start(
    command: str, project: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A script that has written its first line; it is killed with the block."""
    words = ["python", *command.split()[1:]]
    client = subprocess.Popen(
        words,
        cwd=project,
        env=environment,
        executable=environment["PATH"].split(os.pathsep)[0] + "/python",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    with client:
        assert client.stdout.readline() == "ready\n"
        yield client
        client.kill()


def test_scripts_share_imports_and_nothing_else(project: Path, environment: dict[str, str]) -> None:
    text = (
        "import os, sys\nimport counted\n"
        "print(sys.argv[1:], os.getcwd(), os.environ['OWN'], sys.path[0], __name__)\n"
        "print('warning', file=sys.stderr)\nos.environ['OWN'] = 'changed'; counted.x = 1\n"
        "assert sorted(vars(counted)).count('x') == 1\n"
    )
    command = script(project, "shared", text)
    for word in ("first", "second"):
        done = run(f"{command} {word}", project, {**environment, "OWN": word})
        assert done.returncode == 0, done.stderr
        expected = f"{[word]} {project} {word} {project / 'pipeline'} __main__\n"
        assert done.stdout == expected
        assert done.stderr == "warning\n"
    assert (project / "imports.txt").read_text() == "imported\n"


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('no data')", 1, "no data\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
    ],
)
def test_exit_status_is_the_scripts(
    project: Path, environment: dict[str, str], text: str, status: int, error: str
) -> None:
    done = run("exec " + script(project, "ends", text), project, environment)
    assert (done.returncode, done.stderr) == (status, error)


def test_exceptions_are_shown(project: Path, environment: dict[str, str]) -> None:
    done = run(script(project, "fails", "def f():\n    1 / 0\nf()\n"), project, environment)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_exit_handlers_run_and_threads_are_waited_for(
    project: Path, environment: dict[str, str]
) -> None:
    text = (
        "import atexit, threading, time\natexit.register(print, 'at exit')\n"
        "def late():\n    time.sleep(0.2); print('thread')\nthreading.Thread(target=late).start()\n"
    )
    assert run(script(project, "late", text), project, environment).stdout == "thread\nat exit\n"


def test_signals_reach_the_script(project: Path, environment: dict[str, str]) -> None:
    text = (
        "import time\n"
        "try:\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    raise SystemExit(130)\n"
    )
    with start(script(project, "waits", text), project, environment) as client:
        client.send_signal(signal.SIGINT)
        assert client.wait(10) == 130
    with start("python pipeline/waits.py", project, environment) as client:
        client.terminate()
        assert client.wait(10) == -signal.SIGTERM


def _stages(environment: dict[str, str]) -> list[psutil.Process]:
    """Forks of the warm process."""
    warm = [p for p in psutil.Process().children() if "ferbench.cli.warm" in p.cmdline()]
    return [child for process in warm for child in process.children()]


def test_a_stage_dies_with_its_client(project: Path, environment: dict[str, str]) -> None:
    text = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
    with start(script(project, "sleeps", text), project, environment) as client:
        (stage,) = _stages(environment)
        client.kill()
        assert client.wait(10) == -signal.SIGKILL
    stage.wait(10)
    assert not _stages(environment)


def test_stages_run_side_by_side(project: Path, environment: dict[str, str]) -> None:
    text = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
    command = script(project, "sleeps", text)
    with (
        start(command, project, environment),
        start(command, project, environment),
    ):
        assert len(_stages(environment)) == 2


@pytest.mark.parametrize("text", ["import no_such_module\n", "def f(:\n"])
def test_what_cannot_be_imported_is_left_to_the_interpreter(
    project: Path, environment: dict[str, str], text: str
) -> None:
    name = f"broken{len(text)}"
    done = run(script(project, name, text), project, environment)
    assert done.returncode == 1
    assert f"pipeline/{name}.py" in done.stderr
    assert "warm" not in done.stderr


def test_other_commands_are_run_by_the_interpreter(
    project: Path, environment: dict[str, str]
) -> None:
    done = run("python -c 'import sys; print(sys.executable)'", project, environment)
    assert done.stdout == f"{sys.executable}\n"


def test_without_the_warm_process_the_interpreter_runs_the_script(
    project: Path, environment: dict[str, str]
) -> None:
    gone = {**environment, ADDRESS: f"{environment[ADDRESS]}-gone"}
    text = "import os; print('FERBENCH_CLIENT' in os.environ)"
    command = script(project, "alone", text)
    assert run(command, project, gone).stdout == "False\n"
    assert run(command, project, environment).stdout == "True\n"


def test_stages_die_with_the_warm_process(project: Path, tmp_path: Path) -> None:
    text = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
    command = script(project, "sleeps", text)
    with warm_python() as variables:
        running = start(command, project, {**os.environ, **variables})
        client = running.__enter__()
        warm = psutil.Process().children()
        (stage,) = [child for process in warm for child in process.children()]
    stage.wait(10)
    assert client.wait(10) == 1
    assert "was killed" in client.communicate()[1]
    running.__exit__(None, None, None)


def test_changed_code_is_not_run_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package is copied, so that its files can change."""
    import shutil

    import ferbench

    package = Path(ferbench.__file__).parent
    shutil.copytree(package, tmp_path / "ferbench", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "pipeline").mkdir()
    text = (
        "from ferbench.emotions import EMOTIONS\nimport os\nprint('FERBENCH_CLIENT' in os.environ)"
    )
    command = script(tmp_path, "reads", text)
    program = (
        "import os, subprocess, time\nfrom pathlib import Path\n"
        "from ferbench.cli.warm import warm_python\n"
        "touch = lambda path: os.utime(path, (1, 1))\n"
        "with warm_python() as variables:\n"
        "    for change in (None, touch):\n"
        "        if change: change('ferbench/emotions.py')\n"
        f"        subprocess.run({command!r}, shell=True, env={{**os.environ, **variables}})\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\nFalse\n"


def test_code_that_is_gone_or_new_is_declined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.active_count", lambda: 1)  # tests before may have left some
    server = _Server.__new__(_Server)
    server._known, server._later, server._tried = {"pipeline/x.py": True}, {}, set()
    server._code = _code()
    assert server._can_fork("pipeline/x.py")
    server._code = {**_code(), tmp_path / "gone.py": 1}
    assert not server._can_fork("pipeline/x.py")
    server._code = dict(list(_code().items())[1:])
    assert not server._can_fork("pipeline/x.py")


def test_a_module_that_cannot_be_imported_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[list[str]] = []
    monkeypatch.setattr("ferbench.cli.warm._import_modules", tried.append)
    monkeypatch.setattr("threading.active_count", lambda: 1)
    server = _Server.__new__(_Server)
    server._known, server._tried, server._code = {"pipeline/x.py": True}, set(), _code()
    for _ in range(2):  # each stage reports it, as it has imported it in its own way
        server._later = {"pipeline/x.py": ["made_here"]}
        assert server._can_fork("pipeline/x.py")
    assert tried == [["made_here"]]


def test_what_a_script_imports_later_is_imported_once(
    project: Path, environment: dict[str, str]
) -> None:
    (project / "lazy.py").write_text(HELPER.replace("imports.txt", "lazy.txt"))
    text = (
        "import importlib.util\n"
        "spec = importlib.util.spec_from_loader('made_here', loader=None)\n"
        "import sys; sys.modules['made_here'] = importlib.util.module_from_spec(spec)\n"
        "print('lazy' in sys.modules)\nimport lazy\n"
    )
    command = script(
        project, "lazily", f"def main():\n    {text.replace(chr(10), chr(10) + '    ')}\nmain()\n"
    )
    printed = [run(command, project, environment).stdout for _ in range(3)]
    assert printed == ["False\n", "True\n", "True\n"]
    assert len((project / "lazy.txt").read_text().splitlines()) == 2


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = (
        "import os, signal\nfrom ferbench.cli.warm import warm_python\n"
        "with warm_python():\n    print(os.getpid(), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    started = time.time()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.time() + 10
    while time.time() < deadline:
        left = [
            process
            for process in psutil.process_iter(["cmdline", "create_time"])
            if "ferbench.cli.warm" in (process.info["cmdline"] or [])
            and done.stdout.decode().strip() in process.info["cmdline"]
            and process.info["create_time"] > started - 5
        ]
        if not left:
            return
        time.sleep(0.1)
    pytest.fail(f"still running: {left}")
