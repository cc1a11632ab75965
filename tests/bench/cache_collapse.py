"""A thousand clients at once for one object of a slow origin: `python -m tests.bench.cache_collapse`.

Prints how often the origin was asked, and when it, the first and the last client had the last byte.
"""

from __future__ import annotations

import asyncio
import time

from proxy.cache.memory import MemoryStore
from proxy.exchange import Exchange, Pipe, Request, Response, collect
from proxy.http.fields import Fields
from proxy.stages.cache import Cache

CLIENTS = 1000
CHUNKS, CHUNK, PAUSE = 20, 16 * 1024, 0.05
"""The body comes in this many pieces, of so many bytes, with so many seconds between them."""


class Origin:
    def __init__(self) -> None:
        self.asked = 0
        self.done = 0.0
        self._feeding: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(PAUSE)
        pipe = Pipe()
        task = asyncio.create_task(self._feed(pipe))
        self._feeding.add(task)
        task.add_done_callback(self._feeding.discard)
        return Response(200, Fields([(b"cache-control", b"max-age=60")]), pipe)

    async def _feed(self, pipe: Pipe) -> None:
        for _ in range(CHUNKS):
            await asyncio.sleep(PAUSE)
            pipe.feed(bytes(CHUNK))
        pipe.end()
        self.done = time.perf_counter()


async def _measure() -> None:
    origin = Origin()
    stage = Cache("pages", MemoryStore(64 << 20), max_object_size=1 << 20, clock=time.time)
    firsts: list[float] = []
    lasts: list[float] = []

    async def client() -> None:
        request = Request("GET", "https", "shop.example", "/big", None, Fields(), Exchange())
        response = await stage(request, origin)
        assert not isinstance(response.body, bytes)
        size = len(await response.body.read())
        firsts.append(time.perf_counter())
        assert size + len(await collect(response.body, 1 << 20)) == CHUNKS * CHUNK
        lasts.append(time.perf_counter())

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    print(f"{CLIENTS} clients, {CHUNKS * CHUNK // 1024} KiB in {CHUNKS} pieces")
    print(f"requests to the origin   {origin.asked}")
    for what, moment in (
        ("first byte, last client", max(firsts)),
        ("last byte, origin", origin.done),
        ("last byte, first client", min(lasts)),
        ("last byte, last client", max(lasts)),
    ):
        print(f"{what:<24} {(moment - begun) * 1e3:5.0f} ms")


if __name__ == "__main__":
    asyncio.run(_measure())
