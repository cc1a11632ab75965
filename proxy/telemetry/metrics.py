"""Counters for Prometheus.

An exchange only adds to plain integers; what they mean in the text format is worked out when it is asked for.
Label values are all out of closed sets (names from the configuration, known methods, status classes, the
tables of RFC 9209 and RFC 9211), so no client can make the series grow.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from proxy.exchange import Request, Response
from proxy.telemetry.families import Family, family_of, render

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the duration buckets, in seconds."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
"""The methods that get a label value of their own; all others are counted as "other"."""


@dataclass(slots=True)
class FilterTally:
    """What one filter did; its stage adds to it."""

    name: str
    runs: int = 0
    memo_hits: int = 0
    errors: int = 0
    microseconds: int = 0


@dataclass(frozen=True, slots=True)
class EndpointSample:
    """One endpoint of an upstream at the time of asking. weight: its part of the requests now. active, idle:
    connections. waiting: requests that have none yet. failures: requests that got no whole answer, by RFC 9209 type."""

    endpoint: str
    state: str
    weight: float
    active: int
    idle: int
    waiting: int
    requests: int
    ejections: int
    checks_passed: int
    checks_failed: int
    failures: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class UpstreamSample:
    """An upstream at the time of asking. retries_refused: those that the budget did not allow."""

    upstream: str
    retries: int
    retries_refused: int
    endpoints: Sequence[EndpointSample]


def _none_yet() -> list[int]:
    return [0] * (len(BOUNDS) + 1)


@dataclass(slots=True)
class RouteTally:
    """The exchanges of one route. requests: by method and first digit of the status. sent: bytes of responses.
    aborted: those whose client did not get everything. buckets: one count for each of BOUNDS, and one for what takes
    longer; not cumulative."""

    requests: defaultdict[tuple[str, int], int] = field(default_factory=lambda: defaultdict(int))
    sent: int = 0
    aborted: int = 0
    buckets: list[int] = field(default_factory=_none_yet)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class CacheSample:
    """A cache at the time of asking. size: bytes of memory; disk_size: of disk, None without one. evictions: keys that
    have left memory for want of room."""

    cache: str
    keys: int
    size: int
    disk_size: int | None
    evictions: int


def _no_caches() -> Iterable[CacheSample]:
    return ()


def _no_upstreams() -> Iterable[UpstreamSample]:
    return ()


def _none() -> int:
    return 0


class Metrics:
    """All counters of this process.

    `upstreams`, `caches`, `connections` (open client connections) and `running` (exchanges under way) are asked at
    scrape time.
    """

    def __init__(
        self,
        *,
        upstreams: Callable[[], Iterable[UpstreamSample]] = _no_upstreams,
        caches: Callable[[], Iterable[CacheSample]] = _no_caches,
        connections: Callable[[], int] = _none,
        running: Callable[[], int] = _none,
    ) -> None:
        self.upstreams = upstreams
        self.caches = caches
        self.connections = connections
        self.running = running
        self.routes: defaultdict[str, RouteTally] = defaultdict(RouteTally)
        self.cache: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By name of the cache and outcome."""
        self.cache_sent: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Bytes of responses, by name and outcome of the cache nearest to the client."""
        self.cache_events: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By name of the cache and what `cache_events` tells; refreshed and refresh-failed are in the background."""
        self.failures: defaultdict[str, int] = defaultdict(int)
        """By RFC 9209 type."""
        self.refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Connections that came to nothing, by listener and reason."""
        self.idle_given_up: defaultdict[str, int] = defaultdict(int)
        """Idle connections closed for want of file descriptors, by what they were to."""
        self.filters: dict[str, FilterTally] = {}
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_Families(self))

    def finished(self, request: Request, response: Response, sent: int, complete: bool, seconds: float) -> None:
        """Count one exchange, at its end: bytes sent, whether the client got all of it, and how long it took."""
        exchange = request.exchange
        tally = self.routes[exchange.route]
        method = request.method
        tally.requests[method if method in METHODS else "other", response.status // 100] += 1
        tally.sent += sent
        tally.buckets[bisect_left(BOUNDS, seconds)] += 1
        tally.seconds += seconds
        for member in exchange.cache_status:
            outcome = self._at_cache(member)
        if exchange.cache_status:
            self.cache_sent[outcome] += sent
        if not complete:
            tally.aborted += 1
        if exchange.failure is not None:
            self.failures[exchange.failure[0]] += 1

    def _at_cache(self, member: str) -> tuple[str, str]:
        outcome = cache_outcome(member)
        self.cache[outcome] += 1
        if outcome[1] != "hit":
            for event in cache_events(member):
                self.cache_events[outcome[0], event] += 1
        return outcome

    def refreshed(self, members: list[str]) -> None:
        """Count a refresh in the background: a request to the caches below, and none to the one it was for, whose
        member of `Cache-Status` is the last."""
        if not members:
            return  # it was ended before it came to anything
        *below, own = members
        for member in below:
            self._at_cache(member)
        name, events = cache_outcome(own)[0], cache_events(own)
        for event in ("refreshed", *events) if "stored" in events else ("refresh-failed",):
            self.cache_events[name, event] += 1

    def refused(self, listener: str, reason: str) -> None:
        """Count a connection that came to nothing before a request."""
        self.refusals[listener, reason] += 1

    def gave_up(self, side: str, number: int) -> None:
        """Count idle connections that were closed for want of file descriptors."""
        self.idle_given_up[side] += number

    def filter(self, name: str) -> FilterTally:
        """The tally of the filter of that name: the same one after a reload."""
        return self.filters.setdefault(name, FilterTally(name))

    def families(self) -> list[Family]:
        """All there is to tell, as values that can be sent to another process."""
        return [family_of(metric) for metric in self._registry.collect()]

    def render(self) -> bytes:
        """The text format of Prometheus, CONTENT_TYPE."""
        return render(self.families())


@lru_cache(maxsize=4096)
def cache_outcome(member: str) -> tuple[str, str]:
    """(cache, outcome) of a `Cache-Status` member: hit, stale-hit (negative ttl), or RFC 9211 §2.2's reason
    for forwarding: bypass, method, uri-miss, vary-miss, miss, request, stale, partial."""
    name, _, rest = member.partition(";")
    if rest.startswith(" fwd="):
        return name, rest[5:].partition(";")[0]
    if rest.startswith(" hit"):
        return name, "stale-hit" if "ttl=-" in rest else "hit"
    return name, "other"


@lru_cache(maxsize=4096)
def cache_events(member: str) -> tuple[str, ...]:
    """What else a `Cache-Status` member tells of a request that went below: collapsed, revalidated (a 304 came),
    stored, not-stored, stale-if-error (what was stored stood in for a failure)."""
    parameters = member.split("; ")[1:]
    events: list[str] = [name for name in ("collapsed", "stored") if name in parameters]
    if "fwd-status=304" in parameters:
        events.append("revalidated")
    failed = any(each.startswith("fwd-status=5") for each in parameters)
    details = [each.partition("=")[2] for each in parameters if each.startswith("detail=")]
    if "fwd=stale" in parameters and (failed or any("_" in detail for detail in details)):  # RFC 9209's names have it
        events.append("stale-if-error")
    elif details and "stored" not in events:
        events.append("not-stored")
    return tuple(events)


class _Families(Collector):
    """The counters as Prometheus knows them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

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
                for (method, digit), n in tally.requests.items()
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
        yield _counter("sluice_cache_requests", "Outcomes at a cache", ("cache", "outcome"), metrics.cache.items())
        yield _counter(
            "sluice_failures", "Answers made here, by RFC 9209 type", ("type",),
            (((type,), n) for type, n in metrics.failures.items()),
        )  # fmt: skip
        durations = HistogramMetricFamily("sluice_request_duration_seconds", "Start to last byte", labels=("route",))
        for route, tally in routes:
            durations.add_metric((route,), _cumulative(tally.buckets), tally.seconds)
        yield durations

    def _caches(self) -> Iterator[Metric]:
        metrics, samples = self._metrics, tuple(self._metrics.caches())
        yield _counter(
            "sluice_cache_sent_bytes", "Bytes of responses sent, by the outcome at the cache nearest to the client",
            ("cache", "outcome"), metrics.cache_sent.items(),
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


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    total = 0
    rows: list[tuple[str, float]] = []
    for bound, n in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
        total += n
        rows.append((bound, total))
    return rows
