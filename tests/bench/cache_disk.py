"""What the disk store costs: `python -m tests.bench.cache_disk [COUNT] [DIRECTORY]`.

Prints the time to write and to read an entry, to open a store with COUNT of them (100,000), to read a large body from
its file, and for how long the event loop was held up at most while the tiered store wrote and read as fast as it can.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from proxy.cache.disk import DiskStore
from proxy.cache.disk_body import FileBody
from proxy.cache.entry import Entry
from proxy.cache.key import Key
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Terms
from proxy.cache.tiered import TieredStore

READS = 5_000
LARGE = 256 << 20


def _key(i: int) -> Key:
    return ("https", "shop.example", f"/products/{i}", None)


def _entry(i: int, length: int) -> Entry:
    lines = [(b"content-type", b"text/html"), (b"cache-control", b"max-age=3600"), (b"etag", b'"%d"' % i)]
    body = Random(i).randbytes(min(length, 1 << 20)) * max(length >> 20, 1)
    return Entry(200, lines, body, (), Terms(0, 3600, False, False), (), (), float(i))


def main(count: int, directory: Path) -> None:
    store = DiskStore(directory, 64 << 30)
    begun = time.perf_counter()
    for i in range(count):
        store.put(_key(i), _entry(i, 1000), store.mark())
    _say("write an entry of 1 kB", (time.perf_counter() - begun) / count * 1e6, "µs")
    store.close()

    begun = time.perf_counter()
    store = DiskStore(directory, 64 << 30)
    assert store.get(_key(count - 1)) is not None
    _say(f"open with {count} entries", (time.perf_counter() - begun) * 1e3, "ms")

    keys = [_key(i) for i in Random(0).choices(range(count), k=READS)]
    begun = time.perf_counter()
    for key in keys:
        store.peek(key)
    _say("read an entry of 1 kB", (time.perf_counter() - begun) / READS * 1e6, "µs")

    store.put(_key(-1), _entry(-1, LARGE), store.mark())
    asyncio.run(_read_large(store))
    store.close()
    asyncio.run(_held_up(directory))


async def _read_large(store: DiskStore) -> None:
    variants = store.get(_key(-1))
    assert variants is not None
    (entry,) = variants.entries()
    assert isinstance(entry.body, FileBody)
    begun, size = time.perf_counter(), 0
    while chunk := await entry.body.read():
        size += len(chunk)
    assert size == LARGE
    _say("read a body of 256 MiB", size / (time.perf_counter() - begun) / (1 << 20), "MiB/s")


async def _held_up(directory: Path) -> None:
    """The longest between two turns of the loop, beyond the pause that was asked for."""
    store = TieredStore(MemoryStore(1 << 20), DiskStore(directory, 64 << 30))
    assert store.behind is not None
    pauses: list[float] = []
    entries = [_entry(i, Random(i).choice((1000, 50_000, 500_000))) for i in range(300)]

    async def work() -> None:
        assert store.behind is not None
        for i, entry in enumerate(entries):
            store.put(_key(i), entry, store.mark())
            await store.behind(_key(Random(i).randrange(1000, 2000)))

    working = asyncio.create_task(work())
    while not working.done():
        begun = time.perf_counter()
        await asyncio.sleep(0.001)
        pauses.append(time.perf_counter() - begun - 0.001)
    await working
    pauses.sort()
    _say("event loop held up, median", pauses[len(pauses) // 2] * 1e3, "ms")
    _say("event loop held up, 99 %", pauses[len(pauses) * 99 // 100] * 1e3, "ms")
    store.close()


def _say(what: str, figure: float, unit: str) -> None:
    print(f"{what:<30} {figure:8.1f} {unit}", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, Path(sys.argv[2] if len(sys.argv) > 2 else scratch))
