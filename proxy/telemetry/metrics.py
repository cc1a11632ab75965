"""Counters for Prometheus.

An exchange only adds to plain integers; what they mean in the text format is worked out when it is asked for.
Label values are all out of closed sets (names from the configuration, known methods, status classes, the
tables of RFC 9209 and RFC 9211), so no client can make the series grow.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from proxy.exchange import Request, Response
from proxy.telemetry.collected import registry
from proxy.telemetry.families import Family, family_of, render

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

BOUNDS: Final[Sequence[float]] = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the duration buckets, in seconds."""

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
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


def _of_each_digit() -> list[int]:
    return [0] * 10


def _none_yet() -> list[int]:
    return [0] * (len(BOUNDS) + 1)


@dataclass(slots=True)
class CacheTally:
    """One outcome at a cache. requests: that came to it. sent: bytes of responses, where no cache was nearer to the
    client."""

    requests: int = 0
    sent: int = 0


@dataclass(slots=True)
class RouteTally:
    """The exchanges of one route. requests: by method, and by first digit of the status. sent: bytes of responses.
    aborted: those whose client did not get everything. buckets: one count for each of BOUNDS, and one for what takes
    longer; not cumulative."""

    requests: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(_of_each_digit))
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
        self.cache: defaultdict[tuple[str, str], CacheTally] = defaultdict(CacheTally)
        """By name of the cache and outcome."""
        self.cache_events: defaultdict[tuple[str, str], int] = defaultdict(int)
        """By name of the cache and what `cache_events` tells; refreshed and refresh-failed are in the background."""
        self.failures: defaultdict[str, int] = defaultdict(int)
        """By RFC 9209 type."""
        self.refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Connections that came to nothing, by listener and reason."""
        self.idle_given_up: defaultdict[str, int] = defaultdict(int)
        """Idle connections closed for want of file descriptors, by what they were to."""
        self.filters: dict[str, FilterTally] = {}
        self._registry = registry(self, BOUNDS)

    def finished(self, request: Request, response: Response, sent: int, complete: bool, seconds: float) -> None:
        """Count one exchange, at its end: bytes sent, whether the client got all of it, and how long it took."""
        exchange = request.exchange
        tally = self.routes[exchange.route]
        method = request.method
        tally.requests[method if method in METHODS else "other"][response.status // 100] += 1
        tally.sent += sent
        tally.buckets[bisect_left(BOUNDS, seconds)] += 1
        tally.seconds += seconds
        at_cache: CacheTally | None = None
        for member in exchange.cache_status:
            at_cache = self._at_cache(member)
        if at_cache is not None:
            at_cache.sent += sent
        if not complete:
            tally.aborted += 1
        if exchange.failure is not None:
            self.failures[exchange.failure[0]] += 1

    def _at_cache(self, member: str) -> CacheTally:
        name, outcome = named = cache_outcome(member)
        tally = self.cache[named]
        tally.requests += 1
        if outcome != "hit":
            for event in cache_events(member):
                self.cache_events[name, event] += 1
        return tally

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
