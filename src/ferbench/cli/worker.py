"""What happens on a worker of a Dask cluster: checks of its checkout, and the stages of its tasks.

A worker works in this checkout's files (`shared`), or in a clone of its own. A clone must have the
same commit and code; parameters, `dvc.lock` and small files that DVC does not cache are sent to it,
all else comes from DVC's remote. A worker that cannot be used says why and gets no tasks.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Worker, get_worker
from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin

import ferbench
from ferbench.cli.children import Children
from ferbench.cli.session import Session
from ferbench.cli.tasks import Outcome, Task, run_task
from ferbench.cli.warm import warm_python
from ferbench.errors import InputError
from ferbench.files import digest, sha256_file, whole_file
from ferbench.locks import held

__all__ = ["Checkout", "CheckoutPlugin", "code_version", "package_digest", "run_on_worker"]

_IN_CLONE = Path(".cache/session")  # which of them has sent its files to a clone
_REPLACED = Path(".cache/replaced")
_CODE = ("src", "pipeline", "studies", "dvc.yaml")


@dataclass(frozen=True)
class Checkout:
    """The checkout of `ferbench repro`, as it is described to its workers.

    Args:
        name: identifies the checkout: of the plugin, and of its messages.
        session: identifies one `ferbench repro` in it.
        shared: whether workers see its files.
        folder: the checkout or clone on workers; None for their working folder.
        package: digest of the installed code of ferbench (`package_digest`).
        version: of the checkout's code (`code_version`); only clones compare it.
        files: what clones get from it, by path.
        variables: environment of stages, of workers that are threads of `ferbench repro` itself;
            None for others.
    """

    name: str
    session: str
    shared: bool = True
    folder: str | None = None
    package: str = ""
    version: tuple[str, str] = ("", "")
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] | None = None

    @property
    def is_here(self) -> bool:
        """Whether workers are threads of `ferbench repro`."""
        return self.variables is not None


def code_version(folder: Path) -> tuple[str, str]:
    """The commit of a checkout, and a digest of its code and studies as they are.

    Raises:
        InputError: it is no git checkout.
    """
    try:
        commit = _git(folder, "rev-parse", "HEAD").strip()
        names = _git(folder, "ls-files", "-coz", "--exclude-standard", "--", *_CODE)
    except (OSError, subprocess.CalledProcessError) as error:
        raise InputError(
            "is no git checkout, by which clones are compared",
            where=folder,
            remedy="clone the project with git on every machine",
        ) from error
    files = sorted(name for name in set(names.split("\0")) if name and (folder / name).is_file())
    return commit, digest({name: sha256_file(folder / name) for name in files})


def package_digest() -> str:
    """A digest of the code of ferbench that this process runs."""
    package = Path(ferbench.__file__).parent
    return digest(
        {str(p.relative_to(package)): sha256_file(p) for p in sorted(package.rglob("*.py"))}
    )


def _git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def run_on_worker(task: Task, plugin: str) -> Outcome:
    """Do a task on the worker that calls it, by the plugin of that name."""
    worker = get_worker()
    found = worker.plugins.get(plugin)
    assert isinstance(found, CheckoutPlugin), "a worker without the plugin gets no tasks"
    return found.run(task, worker.get_current_task())


class CheckoutPlugin(WorkerPlugin):
    """Checks a worker's checkout, and does tasks in it.

    What it has started ends with the worker, with the task if that is cancelled (as it is when
    `ferbench repro` is gone), and with the plugin.

    Args:
        checkout: of `ferbench repro`.
    """

    def __init__(self, checkout: Checkout) -> None:
        self.checkout = checkout

    async def setup(self, worker: Worker) -> None:
        """Check the worker's checkout and prepare it.

        Raises:
            InputError: it cannot be used. It gets no tasks until the plugin is removed.
        """
        self._guard = threading.Lock()
        self._running: dict[Any, Children] = {}
        self._stack = ExitStack()
        self._warm: Mapping[str, str] | None = self.checkout.variables
        self._scratch = Path(worker.local_directory)
        self._folder = Path(self.checkout.folder or Path.cwd())
        self._paused = False
        # Of its name, the part that other machines know.
        self._name = "" if self.checkout.is_here else worker.address
        try:
            await asyncio.to_thread(self._prepare)
        except InputError as error:
            self._paused = worker.status == Status.running
            worker.status = Status.paused
            what = f"worker {worker.address} cannot be used: {error.what}"
            refusal = InputError(what, where=error.where, remedy=error.remedy)
            worker.log_event(self.checkout.name, str(refusal))
            raise refusal from error

    async def teardown(self, worker: Worker) -> None:
        """Stop what runs."""
        await asyncio.to_thread(self.stop)
        if self._paused and worker.status == Status.paused:
            worker.status = Status.running

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Stop a task that is cancelled."""
        if start == "executing" and finish == "released":
            with self._guard:
                children = self._running.get(key)
            if children is not None:
                threading.Thread(target=children.stop, daemon=True).start()

    def run(self, task: Task, key: Any) -> Outcome:
        """Do a task; `key` is Dask's name for it."""
        folder = None if self.checkout.is_here else self._folder  # messages name files here shortly
        with Children(self._variables(), folder) as children:
            with self._guard:
                self._running[key] = children
            try:
                outcome = run_task(children, task, folder, clone=not self.checkout.shared)
            finally:
                with self._guard:
                    del self._running[key]
        return outcome.on(self._name)

    def stop(self) -> None:
        """End all tasks with what they have started, and the warm process."""
        with self._guard:
            running = list(self._running.values())
        threads = [threading.Thread(target=children.stop) for children in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self._guard:
            self._stack.close()
            self._warm = self.checkout.variables

    def _variables(self) -> Mapping[str, str]:
        """The environment of stages; the first task of another machine starts its warm process."""
        with self._guard:
            if self._warm is None:
                self._warm = self._stack.enter_context(warm_python(self._folder)) | self._own()
            return self._warm

    def _own(self) -> dict[str, str]:
        """Variables of workers that share a disk: SQLite is not made for one of several machines.

        Curves are then in a store that ends with the worker; the stage `track` adds them from the
        run's files. A server that the worker's environment names gets them while a run is trained.
        """
        if not self.checkout.shared:
            return {}
        own = {"DVC_SITE_CACHE_DIR": str(self._scratch / "dvc")}
        if os.environ.get("MLFLOW_TRACKING_URI", "sqlite:").startswith("sqlite:"):
            own["MLFLOW_TRACKING_URI"] = f"sqlite:///{self._scratch.absolute()}/mlflow.db"
        return own

    def _prepare(self) -> None:
        if self.checkout.is_here:
            return
        folder = self._folder
        if package_digest() != self.checkout.package:
            raise InputError(
                "it runs another version of ferbench than the study",
                where=Path(ferbench.__file__).parent,
                remedy=f"bring {folder} to the study's commit, then start the worker there: "
                ".venv/bin/ferbench worker",
            )
        if self.checkout.shared:
            self._check_shared()
        else:
            with held(folder / ".cache" / "worker.lock", "this clone", wait_s=None):
                self._prepare_clone()

    def _check_shared(self) -> None:
        session = Session.read(self._folder)
        if session is None or session.name != self.checkout.session:
            raise InputError(
                "the worker does not see the files of the checkout that runs the study",
                where=self._folder,
                remedy="set `checkout` to its path on workers, or `shared: false` for clones",
            )

    def _prepare_clone(self) -> None:
        """Compare the code, and take over what is sent, once a session."""
        own, expected = code_version(self._folder), self.checkout.version
        if own != expected:
            differs = own[0] != expected[0]
            raise InputError(
                f"the clone is at commit {own[0][:12]}, the study at {expected[0][:12]}"
                if differs
                else "the clone's code is not that of the study, with the same commit",
                where=self._folder,
                remedy=f"git pull, or git checkout {expected[0][:12]}, in the clone"
                if differs
                else "commit what is changed here or there; `git status` lists it",
            )
        mark = self._folder / _IN_CLONE
        if mark.is_file() and mark.read_text(encoding="utf-8") == self.checkout.session:
            return
        for name, content in self.checkout.files.items():
            path = self._folder / name
            if path.is_file() and path.read_bytes() != content:
                _write(self._folder / _REPLACED / name, path.read_bytes())
            _write(path, content)
        _write(mark, self.checkout.session.encode())


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
