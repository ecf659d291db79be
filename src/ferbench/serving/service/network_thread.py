"""One thread that runs a network on jobs, several at a time if they wait together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["NetworkThread"]

Job = TypeVar("Job")
Result = TypeVar("Result")


class NetworkThread(Generic[Job, Result]):
    """Runs jobs in the order of their arrival, in batches.

    A job that is cancelled before its turn is left out. If a batch fails, its jobs are run one by
    one, so that a job fails by its own fault only.

    Args:
        run: takes a batch of jobs, returns a result each.
        batch: most jobs of one call.
        on_batch: called with the size of every batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Job]], Sequence[Result]],
        batch: int,
        on_batch: Callable[[int], object] = lambda size: None,
    ) -> None:
        self._run, self._batch, self._on_batch = run, batch, on_batch
        # Whoever submits bounds the number of waiting jobs.
        self._jobs: queue.SimpleQueue[tuple[Job, Future[Result]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread takes jobs."""
        return self._thread.is_alive()

    def submit(self, job: Job) -> Future[Result]:
        """The result to come of a job."""
        future: Future[Result] = Future()
        self._jobs.put((job, future))
        return future

    def close(self) -> None:
        """Complete the jobs that wait, then end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        ends = False
        while not ends:
            items = [self._jobs.get()]
            while len(items) < self._batch and not self._jobs.empty():
                items.append(self._jobs.get())
            ends = None in items
            taken = [item for item in items if item is not None]
            wanted = [item for item in taken if item[1].set_running_or_notify_cancel()]
            if wanted:
                self._on_batch(len(wanted))
                self._complete(wanted)

    def _complete(self, items: Sequence[tuple[Job, Future[Result]]]) -> None:
        try:
            results = self._run([job for job, _ in items])
        except Exception as error:
            if len(items) == 1:
                items[0][1].set_exception(error)
                return
            for item in items:
                self._complete([item])
            return
        for (_, future), result in zip(items, results, strict=True):
            future.set_result(result)
