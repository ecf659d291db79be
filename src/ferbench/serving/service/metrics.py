"""What the service counts and times, in Prometheus' format."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from ferbench.serving.model_folder import ModelRecord

__all__ = ["ServiceMetrics"]

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PICTURES = (1, 2, 4, 8, 16, 32)
_WEIGHT = 0.1  # of the newest batch in the mean time of a picture


class ServiceMetrics:
    """Counters and histograms of one service; safe to use in threads.

    Args:
        record: of the model.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self, record: ModelRecord) -> None:
        self._registry = CollectorRegistry()
        own: Any = {"namespace": "ferbench", "registry": self._registry}
        self.requests = Counter("requests", "Answered requests.", ["route", "status"], **own)
        self.seconds = Histogram(
            "request_seconds", "Time of a request.", ["route"], buckets=_SECONDS, **own
        )
        self.waiting = Gauge("waiting", "Requests that wait or are being predicted.", **own)
        self.batches = Histogram("batch_pictures", "Pictures a batch.", buckets=_PICTURES, **own)
        self.network_seconds = Counter("network_seconds", "Time in the network's thread.", **own)
        self.faces = Counter("faces", "Predicted faces.", ["emotion"], **own)
        about = {"name": record.name, "task": record.task, "digest": record.digest}
        Info("model", "The model.", **own).info(about)
        ProcessCollector(registry=self._registry)
        self.mean_picture_s = 0.0  # recent mean in the network's thread

    @contextmanager
    def network_time(self, pictures: int) -> Iterator[None]:
        """Time a batch."""
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self.network_seconds.inc(seconds)
        newest = seconds / pictures
        weight = _WEIGHT if self.mean_picture_s else 1.0
        self.mean_picture_s += weight * (newest - self.mean_picture_s)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
