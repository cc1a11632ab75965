"""Large bodies go to disk as they arrive, and are taken from there by those who wait for them."""

from __future__ import annotations

import asyncio
import resource
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Event

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cache import tee
from proxy.cache.disk import DiskStore
from proxy.cache.disk_body import BLOCK
from proxy.cache.memory import MemoryStore
from proxy.cache.tiered import TieredStore
from proxy.exchange import Pipe, Request, Response, Stream, collect
from proxy.http.fields import Fields
from tests.cache.scene import Scene, lines, request
from tests.stages.test_cache_collapsing import each_gets_its_own

FRESH = 'cache-control: max-age=60|etag: "a"'
MiB = 1 << 20


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _store(directory: Path) -> TieredStore:
    return TieredStore(MemoryStore(4 * MiB), DiskStore(directory, 64 * MiB))


class Arriving:
    """A body that is made as it is read; not yet, while it is held."""

    trailers = None

    def __init__(self, size: int, length: int | None = None) -> None:
        self._random, self._left, self.length = Random(size), size, length
        self.go = asyncio.Event()
        self.go.set()
        self.closed = False

    async def read(self) -> bytes:
        await self.go.wait()
        chunk = self._random.randbytes(min(self._left, 60_000))
        self._left -= len(chunk)
        return chunk

    def close(self) -> None:
        self.closed = True


def _body(size: int) -> bytes:
    return asyncio.run(collect(Arriving(size), size))


def _answering(body: Stream) -> Callable[[Request], Response]:
    return lambda _: Response(200, Fields(lines(FRESH)), body)


def _stream(response: Response) -> Stream:
    assert not isinstance(response.body, bytes)
    return response.body


def _files(directory: Path) -> int:
    return len(list((directory / "bodies").iterdir()))


async def _written(store: TieredStore) -> None:
    for _ in range(3):
        await asyncio.get_running_loop().run_in_executor(store._thread, lambda: None)
        await asyncio.sleep(0)


@pytest.mark.parametrize("size", [MiB + 1, 5 * BLOCK, 5 * MiB + 7])
def test_a_large_body_is_stored_as_it_arrives(directory: Path, size: int) -> None:
    async def scenario() -> None:
        store = _store(directory)
        scene = Scene(_answering(Arriving(size)), store=store, limit=32 * MiB)
        assert (await scene.ask(request())).body == whole
        await _written(store)
        hit = await scene.ask(request())
        assert (hit.outcome, hit.body, hit["content-length"]) == ("hit", whole, str(size))
        assert (await scene.ask(request(f"range: bytes={size - 9}-"))).body == whole[-9:]
        assert _files(directory) == 1
        assert store._memory.size == 0
        store.close()
        store = _store(directory)
        assert (await Scene(store=store).ask(request())).body == whole
        store.close()

    whole = _body(size)
    asyncio.run(scenario())


def test_memory_stays_what_it_was(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory)
        scene = Scene(_answering(Arriving(40 * MiB)), store=store, limit=48 * MiB)
        body = _stream(await scene.stage(request(), scene.below))
        tracemalloc.start()
        while await body.read():
            pass
        await _written(store)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * MiB
        assert (await scene.ask(request())).outcome == "hit"
        store.close()

    asyncio.run(scenario())


def test_followers_take_it_from_the_file(directory: Path) -> None:
    async def scenario() -> None:
        store, source = _store(directory), Arriving(4 * MiB)
        scene = Scene(_answering(source), store=store, limit=32 * MiB)
        leader, early = [_stream(await scene.stage(request(), scene.below)) for _ in range(2)]
        got = b""
        while len(got) < 2 * MiB:
            got += await leader.read()
        late = _stream(await scene.stage(request(), scene.below))
        leader.close()
        assert await collect(late, 4 * MiB) == whole
        assert await collect(early, 4 * MiB) == whole
        assert len(scene.asked) == 1
        await _written(store)
        assert (await scene.ask(request())).outcome == "hit"
        store.close()

    whole = _body(4 * MiB)
    asyncio.run(scenario())


def test_what_is_left_or_too_long_leaves_no_file(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory)
        scene = Scene(_answering(left := Arriving(8 * MiB)), _answering(Arriving(8 * MiB)), store=store, limit=4 * MiB)
        body = _stream(await scene.stage(request(), scene.below))
        for _ in range(40):
            await body.read()
        assert _files(directory) == 1
        body.close()
        await _written(store)
        assert left.closed
        assert _files(directory) == 0
        leader, follower = [_stream(await scene.stage(request(), scene.below)) for _ in range(2)]
        scene.script = [_answering(Arriving(8 * MiB))]
        assert await collect(leader, 8 * MiB) == whole
        assert await collect(follower, 8 * MiB) == whole
        await _written(store)
        assert (_files(directory), store.size, len(scene.asked)) == (0, 0, 3)
        store.close()

    whole = _body(8 * MiB)
    asyncio.run(scenario())


def test_a_disk_that_is_full_does_not_break_the_leader(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory)
        scene = Scene(_answering(Arriving(8 * MiB)), store=store, limit=16 * MiB)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3 * MiB, hard))
        try:
            assert (await scene.ask(request())).body == whole
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await _written(store)
        assert _files(directory) == 0
        store.close()

    whole = _body(8 * MiB)
    asyncio.run(scenario())


def test_a_directory_that_is_gone_leaves_memory(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory)
        (directory / "bodies").rmdir()
        scene = Scene(_answering(Arriving(MiB + 1)), store=store, limit=16 * MiB)
        assert (await scene.ask(request())).body == whole
        assert (await scene.ask(request())).outcome == "hit"
        store.close()

    whole = _body(MiB + 1)
    asyncio.run(scenario())


def test_the_next_is_not_read_before_the_disk_has_caught_up(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory)
        gate = Event()
        pipe = Pipe()
        scene = Scene(_answering(pipe), store=store, limit=32 * MiB)
        body = _stream(await scene.stage(request(), scene.below))
        store._thread.submit(gate.wait)
        got = 0
        try:
            with suppress(TimeoutError):
                while got < 16 * MiB:
                    pipe.feed(bytes(100_000))
                    got += len(await asyncio.wait_for(body.read(), 0.05))
        finally:
            gate.set()
        assert got < 4 * MiB
        pipe.end()
        assert len(await collect(body, MiB)) == 100_000
        store.close()

    asyncio.run(scenario())


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_however_they_come_read_and_leave_each_gets_its_own(seed: int) -> None:
    with tempfile.TemporaryDirectory() as scratch, pytest.MonkeyPatch.context() as patch:
        patch.setattr(tee, "IN_MEMORY", 300)
        store = _store(Path(scratch))
        each_gets_its_own(seed, store)
        store.close()
