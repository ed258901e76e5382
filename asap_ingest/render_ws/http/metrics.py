"""Metrics in Prometheus' format: requests, their times, the caches and the process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asap_ingest.render_ws.memory.bounded_cache import CacheState

#: Methods that have a label of their own.
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"))
#: Label of unknown methods and paths: labels stay few, whatever clients send.
OTHER = "other"
#: Key of the scope under which a resource names its route.
ROUTE = "asap_ingest.route"

CacheStates = Callable[[], Mapping[str, CacheState]]


class Metrics:
    """Metrics of one service, in a registry of their own: several services may run in one process.

    Parameters
    ----------
    cache_states : callable
        Returns the state of each cache by its name; called when the metrics are read.
    """

    def __init__(self, cache_states: CacheStates) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "asap_ingest_requests",
            "Requests that were answered or refused.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "asap_ingest_request_seconds",
            "Time from the head of a request to the head of its answer.",
            ("method", "route"),
            registry=self._registry,
        )
        self._labelled: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._registry.register(_CacheCollector(cache_states))
        ProcessCollector(registry=self._registry)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request by the template of its path."""
        method = method if method in METHODS else OTHER
        # cached: looking labels up in the library takes three times as long as counting
        key = method, route, status
        if key not in self._labelled:
            requests = self._requests.labels(method, route, str(status))
            self._labelled[key] = requests, self._seconds.labels(method, route)
        requests, histogram = self._labelled[key]
        requests.inc()
        histogram.observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4."""
        return generate_latest(self._registry)


class _CacheCollector(Collector):
    """The caches as metrics; each keeps its own counts."""

    def __init__(self, states: CacheStates) -> None:
        self._states = states

    def collect(self) -> Iterator[Metric]:
        states = self._states()
        for kind, name, text in (
            (CounterMetricFamily, "hits", "Values that were looked up and found."),
            (CounterMetricFamily, "misses", "Values that were looked up and not found."),
            (CounterMetricFamily, "evictions", "Values that were evicted."),
            (GaugeMetricFamily, "bytes", "Size of the cached values."),
            (GaugeMetricFamily, "room_bytes", "Limit of their size."),
        ):
            metric = kind(f"asap_ingest_cache_{name}", text, labels=["cache"])
            for cache, state in states.items():
                metric.add_metric([cache], getattr(state, name))
            yield metric


class Metered:
    """Outermost ASGI layer: counts every request, whatever answers it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, and count it when the head of its answer is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        # a list, as layers further in pass on copies of the scope
        route = [OTHER]

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = time.perf_counter() - start
                self._metrics.count(scope["method"], route[0], message["status"], seconds)
            await send(message)

        await self._app({**scope, ROUTE: route}, receive, send_counted)
