"""Prometheus metrics of a service: requests, latency, batches, refusals, process and GPU.

The label of an endpoint is its name, not the requested path, so requests for many unknown paths do not use up the
memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTENT_TYPE = CONTENT_TYPE_LATEST
_LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384)


class ServiceMetrics:
    """The metrics of one service."""

    def __init__(self) -> None:
        self._requests = Counter(
            "bentoml_service_request", "Requests answered", ["endpoint", "http_response_code"]
        )
        self._latency = Histogram(
            "bentoml_service_request_duration_seconds",
            "Seconds from the body's arrival to the answer",
            ["endpoint"],
            buckets=_LATENCIES,
        ).labels("/predict")
        self._batches = Histogram("mlops_batch_rows", "Rows answered together", buckets=_SIZES)
        self._model = Histogram(
            "mlops_model_seconds", "Seconds the model took for a batch", buckets=_LATENCIES
        )
        self._refused = Counter("mlops_refused", "Requests refused, by reason", ["reason"])
        self._logged = Counter("mlops_logged_rows", "Rows in the prediction log")
        self._by_status: dict[int, Any] = {}

    def request(self, status: int, seconds: float) -> None:
        """Count one request to /predict."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels("/predict", status)
        counter.inc()
        self._latency.observe(seconds)

    def refused(self, reason: str) -> None:
        """Count one refusal."""
        self._refused.labels(reason).inc()

    def batch(self, rows: int, seconds: float, logged: int) -> None:
        """Count one batch."""
        self._batches.observe(rows)
        self._model.observe(seconds)
        if logged:
            self._logged.inc(logged)


class GpuCollector:
    """GPU memory of this process, read at each request for metrics."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges."""
        import torch

        yield GaugeMetricFamily(
            "mlops_gpu_memory_bytes", "GPU memory held by tensors", torch.cuda.memory_allocated()
        )
        yield GaugeMetricFamily(
            "mlops_gpu_memory_reserved_bytes",
            "GPU memory held by the process",
            torch.cuda.memory_reserved(),
        )


def watch_gpu() -> None:
    """Add the GPU's metrics."""
    REGISTRY.register(GpuCollector())


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(REGISTRY)
