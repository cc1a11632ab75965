"""The counters as Prometheus knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from proxy.telemetry.metrics import FilterTally, Metrics


def registry(metrics: Metrics, bounds: Sequence[float]) -> CollectorRegistry:
    """What is asked at scrape time: these counters, and what the process and its Python tell. bounds: the upper ones of
    the duration buckets, in seconds."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(_Families(metrics, bounds))
    return registry


class _Families(Collector):
    def __init__(self, metrics: Metrics, bounds: Sequence[float]) -> None:
        self._metrics = metrics
        self._bounds = bounds

    def collect(self) -> Iterator[Metric]:
        metrics = self._metrics
        yield from self._exchanges()
        yield from self._filters()
        yield from self._upstreams()
        yield from self._caches()
        yield _counter(
            "sluice_connections_refused", "Client connections that came to nothing before a request",
            ("listener", "reason"), metrics.refusals.items(),
        )  # fmt: skip
        yield _counter(
            "sluice_idle_connections_given_up", "Idle connections closed for want of file descriptors",
            ("side",), (((side,), n) for side, n in metrics.idle_given_up.items()),
        )  # fmt: skip
        yield GaugeMetricFamily("sluice_connections", "Open client connections", metrics.connections())
        yield GaugeMetricFamily("sluice_exchanges_running", "Exchanges under way", metrics.running())

    def _exchanges(self) -> Iterator[Metric]:
        metrics = self._metrics
        routes = metrics.routes.items()
        yield _counter(
            "sluice_requests", "Exchanges finished", ("route", "method", "status"),
            (
                ((route, method, f"{digit}xx"), n)
                for route, tally in routes
                for method, digits in tally.requests.items()
                for digit, n in enumerate(digits)
                if n
            ),
        )  # fmt: skip
        yield _counter(
            "sluice_sent_bytes", "Bytes of responses sent", ("route",),
            (((route,), tally.sent) for route, tally in routes),
        )  # fmt: skip
        yield _counter(
            "sluice_aborted", "Exchanges cut short", ("route",),
            (((route,), tally.aborted) for route, tally in routes if tally.aborted),
        )  # fmt: skip
        yield _counter(
            "sluice_cache_requests", "Outcomes at a cache", ("cache", "outcome"),
            ((outcome, tally.requests) for outcome, tally in metrics.cache.items()),
        )  # fmt: skip
        yield _counter(
            "sluice_failures", "Answers made here, by RFC 9209 type", ("type",),
            (((type,), n) for type, n in metrics.failures.items()),
        )  # fmt: skip
        durations = HistogramMetricFamily("sluice_request_duration_seconds", "Start to last byte", labels=("route",))
        for route, tally in routes:
            durations.add_metric((route,), _cumulative(self._bounds, tally.buckets), tally.seconds)
        yield durations

    def _caches(self) -> Iterator[Metric]:
        metrics, samples = self._metrics, tuple(self._metrics.caches())
        yield _counter(
            "sluice_cache_sent_bytes", "Bytes of responses sent, by the outcome at the cache nearest to the client",
            ("cache", "outcome"), ((outcome, tally.sent) for outcome, tally in metrics.cache.items() if tally.sent),
        )  # fmt: skip
        yield _counter(
            "sluice_cache_events", "What became of requests that went below a cache",
            ("cache", "event"), metrics.cache_events.items(),
        )  # fmt: skip
        yield _counter(
            "sluice_cache_evictions", "URLs that left memory for want of room", ("cache",),
            (((s.cache,), s.evictions) for s in samples),
        )  # fmt: skip
        urls = GaugeMetricFamily("sluice_cache_urls", "URLs in memory", labels=("cache",))
        size = GaugeMetricFamily("sluice_cache_bytes", "Bytes in use", labels=("cache", "tier"))
        for s in samples:
            urls.add_metric((s.cache,), s.keys)
            size.add_metric((s.cache, "memory"), s.size)
            if s.disk_size is not None:
                size.add_metric((s.cache, "disk"), s.disk_size)
        yield urls
        yield size

    def _filters(self) -> Iterator[Metric]:
        tallies = self._metrics.filters.values()
        for name, text, read in _FILTER_COUNTERS:
            yield _counter(name, text, ("filter",), (((tally.name,), read(tally)) for tally in tallies))

    def _upstreams(self) -> Iterator[Metric]:
        upstreams = tuple(self._metrics.upstreams())
        samples = [((each.upstream, sample.endpoint), sample) for each in upstreams for sample in each.endpoints]
        yield _counter(
            "sluice_upstream_requests", "Requests sent upstream", _ENDPOINT,
            ((labels, s.requests) for labels, s in samples),
        )  # fmt: skip
        yield _counter(
            "sluice_upstream_failures", "Requests that got no whole answer, by RFC 9209 type", (*_ENDPOINT, "type"),
            (((*labels, type), n) for labels, s in samples for type, n in s.failures.items()),
        )  # fmt: skip
        yield _counter(
            "sluice_upstream_ejections", "How often the endpoint was left out because requests failed", _ENDPOINT,
            ((labels, s.ejections) for labels, s in samples),
        )  # fmt: skip
        yield _counter(
            "sluice_upstream_health_checks", "Active checks, by result", (*_ENDPOINT, "result"),
            (
                ((*labels, result), n)
                for labels, s in samples
                for result, n in (("passed", s.checks_passed), ("failed", s.checks_failed))
            ),
        )  # fmt: skip
        yield _counter(
            "sluice_upstream_retries", "Requests to be sent once more: sent, or over_budget", ("upstream", "outcome"),
            (
                ((each.upstream, outcome), n)
                for each in upstreams
                for outcome, n in (("sent", each.retries), ("over_budget", each.retries_refused))
            ),
        )  # fmt: skip
        healthy = GaugeMetricFamily("sluice_upstream_healthy", "1: the endpoint gets requests", labels=_ENDPOINT)
        waiting = GaugeMetricFamily("sluice_upstream_waiting", "Requests in line for a connection", labels=_ENDPOINT)
        open_now = GaugeMetricFamily("sluice_upstream_connections", "Open connections", labels=(*_ENDPOINT, "state"))
        for labels, s in samples:
            healthy.add_metric(labels, s.state == "healthy")
            waiting.add_metric(labels, s.waiting)
            open_now.add_metric((*labels, "active"), s.active)
            open_now.add_metric((*labels, "idle"), s.idle)
        yield from (healthy, waiting, open_now)


_ENDPOINT = ("upstream", "endpoint")

_FILTER_COUNTERS: tuple[tuple[str, str, Callable[[FilterTally], float]], ...] = (
    ("sluice_filter_runs", "Runs in Wasm", lambda tally: tally.runs),
    ("sluice_filter_memo_hits", "Decisions replayed without a run", lambda tally: tally.memo_hits),
    ("sluice_filter_errors", "Runs that trapped, ran out of a limit or broke the contract", lambda tally: tally.errors),
    ("sluice_filter_seconds", "Time in runs", lambda tally: tally.microseconds / 1e6),
)


def _counter(
    name: str, text: str, labels: tuple[str, ...], samples: Iterable[tuple[tuple[str, ...], float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _cumulative(bounds: Sequence[float], buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    rows: list[tuple[str, float]] = []
    for bound, n in zip((*map(str, bounds), "+Inf"), buckets, strict=True):
        total += n
        rows.append((bound, total))
    return rows
