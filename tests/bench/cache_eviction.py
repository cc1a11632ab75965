"""Which eviction policy keeps what is asked for: `python -m tests.bench.cache_eviction`.

Traces have the shape that studies of web and CDN traffic found: popularity after Zipf with an exponent of 0.6 to 0.8
at proxies (Breslau et al., INFOCOM 1999) up to about 1.0 at CDNs (Berger et al., NSDI 2017), sizes log-normal with a
heavy tail, and a share of objects that are asked for once and never again (Maggs and Sitaraman, CCR 2015: three
quarters of all objects). "scan" mixes runs of such objects in, as crawlers do.

For each trace and size of the cache: the share of requests that hit, and the time of a request, on this machine.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from random import Random
from typing import Protocol

from cachetools import LRUCache

from proxy.cache.eviction import Item, Queues

OBJECTS, REQUESTS = 50_000, 300_000
SHARES = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Sizes of the cache, as parts of the size of all objects."""

Request = tuple[int, int]
"""Object and its size."""


class Policy(Protocol):
    def request(self, key: int, size: int) -> bool:
        """Whether it hits; if not it is put."""


class Lru:
    """cachetools."""

    def __init__(self, limit: int) -> None:
        self._sizes: LRUCache[int, int] = LRUCache(limit, getsizeof=lambda size: size)

    def request(self, key: int, size: int) -> bool:
        try:
            self._sizes[key]
        except KeyError:
            if size <= self._sizes.maxsize:
                self._sizes[key] = size
            return False
        return True


class S3Fifo:
    """What the memory store does."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._items: dict[int, Item[int]] = {}
        self._queues: Queues[Item[int]] = Queues(lambda item: self._items.pop(item.key))

    def request(self, key: int, size: int) -> bool:
        item = self._items.get(key)
        if item is not None:
            item.uses += 1
            return True
        if size <= self._limit:
            item = self._items[key] = Item(key, size)
            self._queues.put(item)
            self._queues.shrink(self._limit)
        return False


class Sketch:
    """How often keys were seen: four rows of small counters, halved now and then."""

    def __init__(self, width: int) -> None:
        self._mask = (1 << max(width.bit_length(), 8)) - 1
        self._rows = [bytearray(self._mask + 1) for _ in range(4)]
        self._seen, self._period = 0, 10 * (self._mask + 1)

    def _cells(self, key: int) -> list[int]:
        mixed = (key * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        return [(mixed >> shift) & self._mask for shift in (0, 13, 26, 39)]

    def saw(self, key: int) -> None:
        for row, cell in zip(self._rows, self._cells(key), strict=True):
            if row[cell] < 15:
                row[cell] += 1
        self._seen += 1
        if self._seen == self._period:
            self._seen //= 2
            self._rows = [row.translate(bytes(n >> 1 for n in range(256))) for row in self._rows]

    def count(self, key: int) -> int:
        return min(row[cell] for row, cell in zip(self._rows, self._cells(key), strict=True))


class WTinyLfu:
    """Einziger, Friedman and Manes 2017: a window of one in a hundred, then a segmented LRU behind a filter that lets
    in what was seen more often than what would have to go for it."""

    def __init__(self, limit: int) -> None:
        self._window, self._probation, self._protected = (OrderedDict[int, int]() for _ in range(3))
        self._limits = (max(limit // 100, 1), limit - limit // 100, (limit - limit // 100) * 8 // 10)
        self._sizes = [0, 0, 0]
        self._sketch = Sketch(OBJECTS)

    def request(self, key: int, size: int) -> bool:
        self._sketch.saw(key)
        if key in self._window:
            self._window.move_to_end(key)
        elif key in self._protected:
            self._protected.move_to_end(key)
        elif key in self._probation:
            self._promote(key)
        else:
            self._put(key, size)
            return False
        return True

    def _promote(self, key: int) -> None:
        self._protected[key] = size = self._probation.pop(key)
        self._sizes[2] += size
        while self._sizes[2] > self._limits[2]:
            demoted, size = self._protected.popitem(last=False)
            self._sizes[2] -= size
            self._probation[demoted] = size

    def _put(self, key: int, size: int) -> None:
        self._window[key] = size
        self._sizes[0] += size
        while self._sizes[0] > self._limits[0]:
            candidate, size = self._window.popitem(last=False)
            self._sizes[0] -= size
            self._admit(candidate, size)

    def _admit(self, key: int, size: int) -> None:
        seen = self._sketch.count(key)
        while self._sizes[1] + size > self._limits[1]:
            queue = self._probation or self._protected
            victim = next(iter(queue), None)
            if victim is None or self._sketch.count(victim) >= seen:
                return
            freed = queue.pop(victim)
            self._sizes[1] -= freed
            if queue is self._protected:
                self._sizes[2] -= freed
        self._probation[key] = size
        self._sizes[1] += size


POLICIES: dict[str, type[Policy]] = {"LRU (cachetools)": Lru, "W-TinyLFU": WTinyLfu, "S3-FIFO": S3Fifo}


def _size(random: Random) -> int:
    return min(int(random.lognormvariate(math.log(8_000), 1.5)) + 200, 4_000_000)


def _trace(exponent: float, once: float, scans: bool) -> Iterator[Request]:
    """once: the share of requests for objects nobody asks for again."""
    random = Random(exponent)
    weights = list(accumulate(rank**-exponent for rank in range(1, OBJECTS + 1)))
    sizes = [_size(random) for _ in range(OBJECTS)]
    popular = iter(random.choices(range(OBJECTS), cum_weights=weights, k=REQUESTS))
    fresh = OBJECTS
    run = 0
    for _ in range(REQUESTS):
        if scans and not run and random.random() < once / 200:
            run = 200
        if run or (not scans and random.random() < once):
            run = max(run - 1, 0)
            fresh += 1
            yield fresh, _size(random)
        else:
            key = next(popular)
            yield key, sizes[key]


TRACES = {
    "Zipf 0.7": (0.7, 0.0, False),
    "Zipf 0.9": (0.9, 0.0, False),
    "Zipf 1.0, a third once": (1.0, 0.33, False),
    "Zipf 0.9, scans": (0.9, 0.2, True),
}


def main() -> None:
    for name, shape in TRACES.items():
        trace = list(_trace(*shape))
        total = sum(dict(trace).values())
        print(f"\n{name}: {REQUESTS} requests, {total >> 20} MiB of objects; hits in % (ns per request)")
        print(f"{'cache':<18}" + "".join(f"{share * total / (1 << 20):>9.0f} MiB" for share in SHARES))
        for label, policy in POLICIES.items():
            results = [_run(policy(int(total * share)), trace) for share in SHARES]  # type: ignore[call-arg]
            print(f"{label:<18}" + "".join(f"{100 * hits:>7.1f} ({ns:4.0f})" for hits, ns in results), flush=True)


def _run(policy: Policy, trace: list[Request]) -> tuple[float, float]:
    begun = time.perf_counter()
    hits = sum(policy.request(key, size) for key, size in trace)
    return hits / len(trace), (time.perf_counter() - begun) / len(trace) * 1e9


if __name__ == "__main__":
    main()
