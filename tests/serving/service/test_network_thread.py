"""The thread that runs a network on jobs of many clients."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from ferbench.serving.service.network_thread import NetworkThread


def test_jobs_that_wait_together_are_one_batch_in_their_order() -> None:
    free, batches = threading.Event(), []

    def run(jobs: Sequence[int]) -> list[int]:
        assert free.wait(10)
        batches.append(list(jobs))
        return [10 * job for job in jobs]

    sizes: list[int] = []
    thread = NetworkThread(run, batch=3, on_batch=sizes.append)
    futures = [thread.submit(job) for job in range(6)]
    free.set()
    assert [future.result(10) for future in futures] == [0, 10, 20, 30, 40, 50]
    assert [job for batch in batches for job in batch] == list(range(6))
    assert len(batches) < 6
    assert max(sizes) <= 3
    assert sizes == [len(batch) for batch in batches]
    thread.close()
    assert not thread.alive


def test_a_job_fails_by_its_own_fault_only() -> None:
    free = threading.Event()

    def run(jobs: Sequence[int]) -> list[int]:
        assert free.wait(10)
        return [12 // job for job in jobs]

    thread = NetworkThread(run, batch=8)
    futures = [thread.submit(job) for job in (1, 2, 0, 3)]
    free.set()
    assert [futures[n].result(10) for n in (0, 1, 3)] == [12, 6, 4]
    with pytest.raises(ZeroDivisionError):
        futures[2].result(10)
    thread.close()


def test_cancelled_jobs_are_left_out_and_waiting_ones_are_completed_at_the_end() -> None:
    free, begun, seen = threading.Event(), threading.Event(), []

    def run(jobs: Sequence[int]) -> list[int]:
        begun.set()
        assert free.wait(10)
        seen.extend(jobs)
        return list(jobs)

    thread = NetworkThread(run, batch=1)
    futures = [thread.submit(job) for job in range(4)]
    assert begun.wait(10)
    assert futures[2].cancel()
    free.set()
    thread.close()
    assert seen == [0, 1, 3]
    assert futures[3].result(0) == 3
