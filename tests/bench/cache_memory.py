"""A million small entries in the memory store: `python -m tests.bench.cache_memory [COUNT]`.

Prints what an entry takes of the process's memory and what the store thinks it does, and what looking one up, and a
hit of the stage, cost as there are more and more; then what a purge of all costs, and the steps of the sweep after it.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable, Iterator
from random import Random

from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Terms
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.eager import start
from proxy.http.fields import Fields
from proxy.stages.cache import Cache

LOOKUPS = 20_000


def _key(i: int) -> Key:
    return ("https", "shop.example", f"/products/{i}", None)


def _entry(i: int, now: float) -> Entry:
    """As it comes from an origin: nothing of it is shared with others."""
    lines = [
        (bytes(bytearray(name)), value)
        for name, value in (
            (b"content-type", b"application/json; v=%d" % (i % 10)),
            (b"cache-control", b"max-age=%d" % (3600 + i % 10)),
            (b"etag", b'"%x"' % i),
            (b"content-length", b"%d" % (100 + i % 10)),
            (b"date", b"Sun, 22 Nov 2026 12:00:%02d GMT" % (i % 60)),
        )
    ]
    return Entry(200, lines, bytes(bytearray(100)), (), Terms(now, 3600.0, False, False), (), (), now + i / 1e6)


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def _below(request: Request) -> Response:
    raise AssertionError


def main(count: int) -> None:
    now = time.time()
    store = MemoryStore(1 << 50)
    stage = Cache("pages", store, max_object_size=1 << 20, clock=lambda: now)
    gc.disable()  # else filling takes minutes
    before = _resident()
    print(f"{'entries':>9}  {'memory each':>11}  {'counted':>8}  {'lookup':>8}  {'hit':>8}")
    for i in range(count):
        store.put(_key(i), _entry(i, now), store.mark())
        if i + 1 in (1_000, 10_000, 100_000, count):
            memory = (_resident() - before) / (i + 1)
            lookup, hit = _measure(store, stage, i + 1)
            counted = store.size / (i + 1)
            print(f"{i + 1:>9}  {memory:>9.0f} B  {counted:>6.0f} B  {lookup:>5.0f} ns  {hit:>5.0f} ns", flush=True)
    begun = time.perf_counter()
    store.purge([("prefix", "https://shop.example/")])
    purged = time.perf_counter() - begun
    steps = sorted(_steps(store))
    median, most, longest = (steps[int((len(steps) - 1) * share)] * 1e3 for share in (0.5, 0.999, 1))
    print(f"purge of them all: {purged * 1e6:.0f} µs; {store.count} left after a sweep of {len(steps)} steps")
    print(f"a step: {median:.2f} ms in the median, {most:.2f} ms at 99.9 %, {longest:.1f} ms the longest")


def _steps(store: MemoryStore) -> Iterator[float]:
    """Seconds each."""
    begun = time.perf_counter()
    for _ in store.sweep():
        yield time.perf_counter() - begun
        begun = time.perf_counter()


def _measure(store: MemoryStore, stage: Cache, count: int) -> tuple[float, float]:
    """Nanoseconds for a lookup and for a hit, on five hundred of them, each with its own key."""
    keys = [_key(i) for i in Random(count).choices(range(count), k=500)]
    requests = [Request("GET", scheme, host, path, query, Fields(), Exchange()) for scheme, host, path, query in keys]
    lookup = _best(lambda: [store.get(key) for key in keys], len(keys))
    return lookup, _best(lambda: [start(stage(request, _below)) for request in requests], len(keys))


def _best(work: Callable[[], object], count: int) -> float:
    best = float("inf")
    for _ in range(LOOKUPS // count):
        begun = time.perf_counter_ns()
        work()
        best = min(best, time.perf_counter_ns() - begun)
    return best / count


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
