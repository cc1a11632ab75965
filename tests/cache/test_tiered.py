"""Memory in front of disk: the contract, hits at once, and what a stage finds behind a miss."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from proxy.cache import tiered
from proxy.cache.disk import INLINE, DiskStore
from proxy.cache.disk_body import FileBody
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Refusal
from proxy.cache.tiered import TieredStore
from proxy.exchange import Response
from proxy.exchange.eager import start
from tests.cache.scene import Scene, Script, request, response, run
from tests.cache.store_contract import KEY, StoreContract, bytes_of, entry

FRESH = 'cache-control: max-age=60|etag: "a"'
LARGE = INLINE + 1


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def _store(directory: Path, memory: int = 1_000_000) -> TieredStore:
    return TieredStore(MemoryStore(memory), DiskStore(directory, 1 << 24))


class Tiered(Scene):
    """A cache with a directory."""

    def __init__(self, directory: Path, *script: Script) -> None:
        self.directory, self.tiers = directory, _store(directory)
        super().__init__(*script, store=self.tiers, limit=1 << 20)

    def restarted(self) -> Tiered:
        """The same with nothing in memory, and nothing asked."""
        self.tiers.close()
        return Tiered(self.directory, *self.script)


class TestTieredStore(StoreContract):
    _opened: list[TieredStore]

    @pytest.fixture(autouse=True)
    def _directory(self, tmp_path: Path) -> Iterator[None]:
        self._tmp_path, self._opened = tmp_path, []
        yield
        for each in self._opened:
            each.close()

    def store(self, max_size: int = 1_000_000) -> TieredStore:
        disk = DiskStore(self._tmp_path / str(len(self._opened)), max_size)
        self._opened.append(TieredStore(MemoryStore(max_size), disk))
        return self._opened[-1]


def test_what_is_on_disk_answers_after_a_restart_and_comes_up(directory: Path) -> None:
    scene = Tiered(directory, response(FRESH))
    assert scene.get().outcome == "fwd=uri-miss; stored"
    scene = scene.restarted()
    answer = scene.get()
    assert (answer.outcome, answer.body, answer["age"]) == ("hit", b"body", "0")
    assert isinstance(start(scene.stage(request(), scene.below)), Response)  # at once, from memory
    assert scene.asked == []
    scene.tiers.close()


def test_a_large_body_is_answered_from_its_file(directory: Path) -> None:
    body = bytes(range(256)) * 1200
    scene = _filled(directory, body).restarted()
    before = scene.store.size
    for _ in range(2):
        whole = scene.get()
        assert (whole.outcome, whole.body, whole["content-length"]) == ("hit", body, str(len(body)))
    assert scene.get("range: bytes=1000-299999").body == body[1000:300000]
    assert scene.get("range: bytes=-5").body == body[-5:]
    assert scene.get('if-none-match: "a"').status == 304
    assert scene.get(method="HEAD").body == b""
    assert scene.store.size == before
    assert scene.asked == []
    scene.tiers.close()


def test_a_large_body_is_validated_without_being_read(directory: Path) -> None:
    scene = _filled(directory, bytes(LARGE)).restarted()
    scene.script = [response(FRESH, b"", 304)]
    scene.now += 61
    answer = scene.get()
    assert (answer.outcome, answer.body) == ("fwd=stale; fwd-status=304; stored", bytes(LARGE))
    assert scene.get().outcome == "hit"
    scene.tiers.close()


def _filled(directory: Path, body: bytes) -> Tiered:
    scene = Tiered(directory, response(FRESH, body))
    scene.get()
    return scene


def test_what_is_deleted_while_it_is_read_is_not_used(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory)
        assert store.behind is not None
        store.put(KEY, entry(), store.mark())
        store._memory.delete(KEY)
        reading = asyncio.ensure_future(store.behind(KEY))
        await asyncio.sleep(0)
        store.delete(KEY)
        assert await reading is None
        assert await store.behind(KEY) is None
        store.close()

    asyncio.run(scenario())


def test_what_is_newer_in_memory_wins(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory)
        assert store.behind is not None
        store._disk.put(KEY, entry(b"old"), 0)
        store._disk.put(KEY, entry(b"other", cookie="x"), 0)
        store._memory.put(KEY, entry(b"new"), 0)
        found = await store.behind(KEY)
        assert found is not None
        assert {bytes_of(each) for each in found.entries()} == {b"new", b"other"}
        held = store.peek(KEY)
        assert held is not None
        assert {bytes_of(each) for each in held.entries()} == {b"new", b"other"}
        store.close()

    asyncio.run(scenario())


def test_what_memory_has_no_room_for_is_on_disk(directory: Path) -> None:
    async def scenario() -> None:
        store = _store(directory, memory=LARGE)
        assert store.behind is not None
        assert store.put(KEY, entry(bytes(LARGE)), store.mark()) is None
        assert store.get(KEY) is None
        found = await store.behind(KEY)
        assert found is not None
        assert [isinstance(each.body, FileBody) for each in found.entries()] == [True]
        assert store.put(KEY, entry(bytes(1 << 24)), store.mark()) is Refusal.SIZE
        store.close()

    asyncio.run(scenario())


def test_what_waits_to_be_written_is_bounded(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiered, "QUEUE", 11_000)
    store = _store(directory)
    gate = Event()
    done = store._thread.submit(gate.wait)
    for i in range(10):
        assert store.put(("http", "a.example", f"/{i}", None), entry(bytes(3000)), store.mark()) is None
    assert store.queued <= 11_000
    gate.set()
    done.result()
    store.close()
    disk = DiskStore(directory, 1 << 24)
    assert sum(disk.get(("http", "a.example", f"/{i}", None)) is not None for i in range(10)) == 2
    disk.close()


def test_a_disk_that_does_not_answer_holds_nobody_up(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiered, "PATIENCE", 0.01)
    gate = Event()
    scene = Tiered(directory, response(FRESH))
    scene.tiers._thread.submit(gate.wait)
    try:
        assert scene.get().outcome == "fwd=uri-miss; stored"
        assert scene.get().outcome == "hit"
    finally:
        gate.set()
    scene.tiers.close()


def test_concurrent_misses_of_what_is_on_disk_ask_nobody(directory: Path) -> None:
    scene = _filled(directory, b"body").restarted()

    async def crowd() -> set[bytes]:
        return {answer.body for answer in await asyncio.gather(*(scene.ask(request()) for _ in range(100)))}

    assert run(crowd()) == {b"body"}
    assert scene.asked == []
    scene.tiers.close()
