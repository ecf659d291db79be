"""Tasks on a Dask cluster: threads of this process, a scheduler that is running, or a class.

On this machine a task does nothing but wait for the processes that do its stages, for which a
thread is enough; a Dask worker process would take a second and a half to start and 100 MiB. Such a
cluster listens on the loopback interface and speaks to holders of its certificate alone, which is
made for it and kept in `.cache/cluster.json`, readable by the user alone.

A task is started anew on another worker if its worker is lost. A stage that fails is an outcome and
not started anew. Dask is imported when there is something to do: it takes a second.
"""

from __future__ import annotations

import logging
import queue
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferbench.cli.children import Children
from ferbench.cli.flow import Flow
from ferbench.cli.progress import Counts, Progress
from ferbench.cli.session import FILE, QUIET, Session
from ferbench.cli.tasks import Outcome, Task, run_dvc
from ferbench.config.clusters import Cluster
from ferbench.errors import InputError
from ferbench.files import digest
from ferbench.locks import Process

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["DaskEngine", "counts_elsewhere"]

_REFRESH_S = 1.0
_TIMEOUT_S = 10.0
_TLS = ("tls_ca_file", "tls_client_cert", "tls_client_key")
# DVC's own files and the study's, which a clone gets besides what its stages read.
_SENT = ("params.yaml", "dvc.lock")
_CONFIG = {
    **QUIET,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.allowed-failures": 3,
}


class DaskEngine:
    """Does tasks on a cluster, which is opened for the first of them and closed with the block.

    Args:
        children: run DVC on this machine.
        cluster: where tasks are done.
        jobs: number of tasks at a time on this machine.
        variables: environment of stages on this machine.
    """

    def __init__(
        self, children: Children, cluster: Cluster, jobs: int, variables: Mapping[str, str]
    ) -> None:
        self.clones = not cluster.shared
        self._jobs = jobs
        self._children, self._cluster, self._variables = children, cluster, variables
        self._session = uuid.uuid4().hex[:8]
        self._name = f"ferbench-{digest([Process.current().host, str(Path.cwd())])[:8]}"
        self._files: dict[str, bytes] = {}
        self._stack = ExitStack()
        self._client: Client | None = None
        self._refusals: list[str] = []

    @property
    def workers(self) -> int:
        """The number of tasks that are done at a time."""
        if self._cluster.is_local:
            return self._jobs
        if self._cluster.cluster is not None:
            return self._cluster.workers
        return max(1, int(self._opened().scheduler_info(n_workers=0)["n_workers"]))

    def __enter__(self) -> DaskEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """Do tasks side by side, show their progress, and give the outcomes as they came.

        Raises:
            InputError: the cluster does not answer, or its workers cannot be used.
        """
        from ferbench.cli.worker import run_on_worker

        client = self._opened()
        group = f"{self._name}-{uuid.uuid4().hex[:8]}"
        replace(self._session_of(client), group=group, total=len(tasks)).write()
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        with _cancelled_at_end(client) as futures:
            futures += client.map(
                run_on_worker,
                tasks,
                key=[(group, task.name) for task in tasks],
                plugin=self._name,
                pure=False,
                resources=dict(self._cluster.resources) or None,
            )
            names = {future.key: task.name for future, task in zip(futures, tasks, strict=True)}
            for future in futures:
                future.add_done_callback(ended.put)
            with Progress(len(tasks)) as progress:
                outcomes = list(self._outcomes(client, group, names, ended, progress))
        self._session_of(client).write()  # Dask forgets tasks that nobody waits for
        return outcomes

    def _outcomes(
        self,
        client: Client,
        group: str,
        names: Mapping[Any, str],
        ended: queue.SimpleQueue[Any],
        progress: Progress,
    ) -> Iterator[Outcome]:
        left = len(names)
        while left:
            while self._refusals:
                progress.say(self._refusals.pop())
            try:
                future = ended.get(timeout=_REFRESH_S)
            except queue.Empty:
                if client.status == "closed":
                    raise InputError(
                        "the connection to the scheduler was lost",
                        where=self._cluster.address,
                        remedy="run the same command again to resume",
                    ) from None
                if progress.is_shown:
                    progress.show(_counts(client, group, len(names)))
                continue
            left -= 1
            outcome = _outcome(future, names[future.key])
            progress.ended(outcome, _counts(client, group, len(names)))
            yield outcome

    def fetch(self, stages: Sequence[str]) -> Outcome:
        """Restore what clones have computed of `stages`; it failed unless that was all."""
        return run_dvc(self._children, "fetch", ["restore", *stages])

    def publish(self, flow: Flow, stages: Sequence[str]) -> None:
        """Make what `stages` read available to clones.

        Raises:
            InputError: it cannot be pushed to DVC's remote.
        """
        read = flow.inputs_of(stages)
        small = [path for path, cached in read.items() if not cached]
        self._files = {path: Path(path).read_bytes() for path in (*_SENT, *sorted(small))}
        cached = sorted(path for path, cached in read.items() if cached)
        if not cached:  # without a path, DVC would push everything
            return
        words = ["--wait-for-lock", "push", "--quiet", *cached]
        outcome = run_dvc(self._children, "push", words)
        if not outcome.ok:
            raise InputError(
                f"what runs read cannot be pushed to DVC's default remote:\n{outcome.tail}",
                where=".dvc/config",
                remedy="`dvc remote add --default NAME URL`, commit .dvc/config, and let the "
                "clones have it",
            )

    def _opened(self) -> Client:
        """The client of the cluster, whose workers are prepared."""
        if self._client is not None:
            return self._client
        import dask
        from distributed import Client

        from ferbench.cli.worker import CheckoutPlugin

        self._stack.enter_context(dask.config.set(_CONFIG))
        self._stack.enter_context(_quiet())
        address, security = self._started()
        where = self._cluster.address or self._cluster.cluster or "this machine"
        try:
            client = Client(address, security=security, timeout=_TIMEOUT_S, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise InputError(
                f"the scheduler does not answer: {error}",
                where=where,
                remedy="start `dask scheduler` there, or correct the address",
            ) from error
        self._stack.enter_context(client)
        self._stack.callback(FILE.unlink, missing_ok=True)
        self._session_of(client).write()
        client.subscribe_topic(self._name, lambda event: self._refusals.append(event[1]))
        self._stack.callback(_without_plugin, client, self._name)
        try:
            client.register_plugin(CheckoutPlugin(self._checkout()), name=self._name)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"a worker cannot load this version of ferbench: {error}",
                where=where,
                remedy="start workers by .venv/bin/ferbench worker of the checkout or clone",
            ) from error
        if not client.scheduler_info(n_workers=0)["n_workers"]:
            print(f"waiting for workers of {where}", flush=True)
        self._client = client
        return client

    def _started(self) -> tuple[Any, Any]:
        """The cluster or its address, and what secures the connection to it."""
        if self._cluster.address is not None:
            return self._cluster.address, None
        if self._cluster.cluster is not None:
            cluster = self._stack.enter_context(_instance(self._cluster))
            cluster.scale(self._cluster.workers)
            return cluster, None
        import dask
        from distributed import LocalCluster
        from distributed.security import Security

        # Threads of this process are lost with it alone. A silence means that all of it was stopped
        # (Ctrl-Z, a suspended machine), after which Dask drops its workers and waits for others.
        self._stack.enter_context(dask.config.set({"distributed.scheduler.worker-ttl": None}))
        security = Security.temporary()
        cluster = LocalCluster(
            n_workers=self._jobs,
            threads_per_worker=1,
            processes=False,
            protocol="tls",
            security=security,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            resources=dict(self._cluster.resources),
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        )
        return self._stack.enter_context(cluster), security

    def _session_of(self, client: Client) -> Session:
        security = client.security
        tls = {key: getattr(security, key) for key in _TLS if getattr(security, key)}
        process = Process.current().to_json()
        return Session(self._session, client.scheduler.address, process, tls)

    def _checkout(self) -> Any:
        from ferbench.cli.worker import Checkout, code_version, package_digest

        return Checkout(
            name=self._name,
            session=self._session,
            shared=self._cluster.shared,
            folder=self._cluster.checkout or (str(Path.cwd()) if self._cluster.shared else None),
            package="" if self._cluster.is_local else package_digest(),
            version=code_version(Path.cwd()) if self.clones else ("", ""),
            files=self._files,
            variables=dict(self._variables) if self._cluster.is_local else None,
        )


@contextmanager
def _cancelled_at_end(client: Client) -> Iterator[list[Any]]:
    """Futures of which none runs on when the block ends."""
    futures: list[Any] = []
    try:
        yield futures
    except BaseException:
        client.cancel(futures, force=True)
        raise


def _without_plugin(client: Client, name: str) -> None:
    """Remove the plugin from all workers, which stops what they still do."""
    with suppress(OSError, TimeoutError, ValueError):
        client.unregister_worker_plugin(name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's messages about lost connections out of the output."""
    logger = logging.getLogger("distributed")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _instance(cluster: Cluster) -> Any:
    """A cluster of the class that the file names.

    Raises:
        InputError: there is no such class, or it does not take the options.
    """
    import importlib

    module, _, name = str(cluster.cluster).rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"no class {cluster.cluster}: {error}",
            where="cluster",
            remedy=f"install the package {module.partition('.')[0]}, or correct the name",
        ) from error
    try:
        return kind(**cluster.options)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{cluster.cluster} refuses its options: {error}",
            where="options",
            remedy="its documentation lists them",
        ) from error


def _outcome(future: Any, name: str) -> Outcome:
    """The outcome of a task that has ended, also if Dask gave it up."""
    from distributed import KilledWorker

    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        times = error.allowed_failures + 1
        told = f"{times} workers were lost while they did it, the last {error.last_worker.address}"
    else:
        told = f"{type(error).__name__}: {error}" if error else "it was cancelled"
    return Outcome(name, False, log="Dask's messages", tail=told)


def counts_elsewhere() -> Counts | None:
    """The tasks of the `ferbench repro` that is at work in this checkout; None if none is.

    Raises:
        InputError: its scheduler does not answer.
    """
    session = Session.read()
    if session is None or not session.total:
        return None
    from distributed import Client
    from distributed.security import Security

    security = Security(require_encryption=True, **session.tls) if session.tls else None
    words = {"security": security, "timeout": _TIMEOUT_S, "set_as_default": False}
    try:
        with _quiet(), Client(session.address, **words) as client:
            return _counts(client, session.group, session.total)
    except (OSError, TimeoutError) as error:
        raise InputError(
            f"its scheduler does not answer: {error}",
            where=session.address,
            remedy="try again; progress is also in the output of that process",
        ) from error


def _counts(client: Client, group: str, total: int) -> Counts:
    """What the scheduler knows of a group of tasks."""
    found = client.run_on_scheduler(_on_scheduler, group=group)
    return Counts(total, **found)


def _on_scheduler(group: str, dask_scheduler: Any) -> dict[str, Any]:
    """Run by the scheduler: its records of a group of tasks."""
    tasks = dask_scheduler.task_groups.get(group)
    states = tasks.states if tasks else {}
    done = states.get("memory", 0) + states.get("erred", 0)
    workers = list(dask_scheduler.workers.values())
    running = [
        float(seconds)
        for worker in workers
        for task, seconds in worker.executing.items()
        if task.group_key == group
    ]
    spent = tasks.all_durations["compute"] if tasks else 0.0
    return {
        "done": done,
        "running": running,
        "mean_s": spent / done if done else 0.0,
        "workers": sum(worker.nthreads for worker in workers),
    }
