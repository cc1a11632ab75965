"""What the cache stage alone costs, on a fresh hit and on the way below: `python -m tests.bench.cache_hit`."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from proxy.cache.memory import MemoryStore
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.eager import start
from proxy.exchange.observation import Observation, observed
from proxy.http.fields import Fields
from proxy.stages.cache import Cache

ROUNDS = 200
REPEATS = 1_000

BROWSER = Fields(
    [
        (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        (b"accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        (b"accept-language", b"en-US,en;q=0.5"),
        (b"accept-encoding", b"gzip, deflate, br"),
        (b"cookie", b"theme=dark; session=3f9a"),
        (b"sec-fetch-dest", b"document"),
        (b"sec-fetch-mode", b"navigate"),
        (b"priority", b"u=0, i"),
    ]
)


def _request() -> Request:
    return Request("GET", "https", "shop.example", "/a/page", None, BROWSER, Exchange())


def _measure(what: str, reads: list[Observation], lines: list[tuple[bytes, bytes]]) -> None:
    async def below(request: Request) -> Response:
        for observation in reads:
            observed(request, observation)
        fields = [(b"content-type", b"text/html"), (b"cache-control", b"max-age=3600"), (b"etag", b'"a"'), *lines]
        return Response(200, Fields(fields), b"x" * 1000)

    stage = Cache("pages", MemoryStore(1 << 20), max_object_size=1 << 20, clock=time.time)

    def hit() -> object:
        return start(stage(_request(), below))

    hit()
    assert "hit" in _status(hit())
    print(f"{what:<28} {_best(hit) - _best(_request):5.2f} µs")


def _measure_miss(what: str, directive: bytes) -> None:
    answer = Response(200, Fields([(b"content-type", b"text/html"), (b"cache-control", directive)]), b"x" * 1000)

    async def below(request: Request) -> Response:
        return answer

    stage = Cache("pages", MemoryStore(1 << 20), max_object_size=1 << 20, clock=time.time)
    count = itertools.count()

    def request() -> Request:
        return Request("GET", "https", "shop.example", f"/{next(count)}", None, BROWSER, Exchange())

    print(f"{what:<28} {_best(lambda: start(stage(request(), below))) - _best(request):5.2f} µs")


def _status(answer: object) -> str:
    assert isinstance(answer, Response)
    return (answer.fields.get(b"cache-status") or b"").decode()


def _best(work: Callable[[], object]) -> float:
    """Microseconds per call, the best of many short rounds, as other work on the machine comes and goes."""
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(REPEATS):
            work()
        best = min(best, time.perf_counter() - begun)
    return best / REPEATS * 1e6


if __name__ == "__main__":
    _measure("hit", [], [])
    _measure("hit, Vary: accept-encoding", [], [(b"vary", b"accept-encoding")])
    _measure("hit, a cookie was read", [("cookie", "theme")], [])
    _measure("hit, a header was read", [("header", "accept-language")], [])
    _measure_miss("miss, not stored", b"no-store")
    _measure_miss("miss, stored", b"max-age=60")
