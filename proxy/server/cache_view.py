"""What is in a cache, for people."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from heapq import nlargest

from proxy.cache.entry import Variants
from proxy.cache.key import Key
from proxy.cache.purged import url_of
from proxy.stages.cache import Cache

SHOWN = 20
"""Keys of each kind."""

STEP = 2000
"""Keys looked at before others have their turn."""


async def seen(name: str, stages: Sequence[Cache]) -> dict[str, object]:
    """JSON-like. stages: those of one name, which share a store. Keys are those in memory; `uses` counts since they
    came in."""
    store = stages[0].store
    hottest: list[Variants] = []
    largest: list[Variants] = []
    everything = store.variants()
    for at in range(0, len(everything), STEP):
        some = everything[at : at + STEP]
        hottest = nlargest(SHOWN, hottest + some, key=lambda each: each.uses)
        largest = nlargest(SHOWN, largest + some, key=lambda each: each.size)
        await asyncio.sleep(0)
    missed: Counter[Key] = Counter()
    for stage in stages:
        missed.update(dict(stage.missed.most(SHOWN)))
    return {
        "name": name,
        "keys": store.count,
        "bytes": store.size,
        "disk_bytes": store.disk_size,
        "evictions": store.evictions,
        "hottest": [{"url": url_of(each.key), "uses": each.uses} for each in hottest if each.uses],
        "largest": [{"url": url_of(each.key), "bytes": each.size, "variants": each.count} for each in largest],
        "most_missed": [{"url": url_of(key), "requests": count} for key, count in missed.most_common(SHOWN)],
    }
