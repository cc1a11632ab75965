"""The memory store keeps the contract, its limit, and what is used."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.memory import STEP, MemoryStore
from proxy.cache.policy import Terms
from proxy.cache.status import say
from proxy.codec.http1_response import encode_head
from proxy.exchange import Request, Response
from proxy.http.fields import Fields, Line
from proxy.stages.cache import Cache
from tests.cache.scene import NOON, request
from tests.cache.store_contract import KEY, StoreContract, entry


class TestMemoryStore(StoreContract):
    def store(self, max_size: int = 1_000_000) -> MemoryStore:
        return MemoryStore(max_size)


def _keys(count: int) -> list[Key]:
    return [("http", "a.example", f"/{i}", None) for i in range(count)]


def _held(store: MemoryStore, keys: list[Key]) -> list[int]:
    return [i for i, key in enumerate(keys) if store.peek(key) is not None]


ROOM = Variants(("http", "a.example", "/0", None)).size + entry().size
"""What one key with one entry takes."""


def test_what_was_never_used_goes_first() -> None:
    store, keys = MemoryStore(3 * ROOM), _keys(4)
    for key in keys[:3]:
        store.put(key, entry(), store.mark())
    store.get(keys[0])
    store.peek(keys[1])
    store.put(keys[3], entry(), store.mark())
    assert _held(store, keys) == [0, 2, 3]


def test_a_scan_does_not_drive_out_what_is_used() -> None:
    store, keys = MemoryStore(50 * ROOM), _keys(2000)
    for i in range(2000):
        store.put(keys[i], entry(), store.mark())
        for key in keys[:20]:
            store.get(key)
    assert set(range(20)) < set(_held(store, keys))


def test_what_comes_back_soon_stays() -> None:
    store, keys = MemoryStore(50 * ROOM), _keys(1000)
    for i in (*range(60), 0, *range(60, 100)):
        store.put(keys[i], entry(), store.mark())
    assert 0 in _held(store, keys)


def test_what_is_deleted_takes_no_memory() -> None:
    store, keys = MemoryStore(100 << 20), _keys(1)
    tracemalloc.start()
    try:
        for _ in range(3000):
            store.put(keys[0], entry(bytes(100_000)), store.mark())
            store.delete(keys[0])
        assert store.size == 0
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [1_000, 20_000])
def test_a_step_of_a_sweep_is_as_small_however_much_is_stored(count: int) -> None:
    """Not even a list of what there is is made."""
    store = MemoryStore(1 << 30)
    for number, key in enumerate(_keys(count)):
        for cookie in "ab" if number % 2 else "a":
            store.put(key, replace(entry(cookie=cookie), tags=("t",) * (number % 3 > 0)), store.mark())
    store.purge([("tag", "t")])
    before, steps, sweep = store.count, 0, store.sweep()
    tracemalloc.start()
    try:
        while True:
            tracemalloc.reset_peak()
            held = tracemalloc.get_traced_memory()[0]
            if next(sweep, "over") == "over":
                break
            assert tracemalloc.get_traced_memory()[1] - held < 50_000
            assert before - store.count <= STEP
            before, steps = store.count, steps + 1
    finally:
        tracemalloc.stop()
    assert steps >= count / STEP
    assert _held(store, _keys(count)) == list(range(0, count, 3))
    assert store.size == sum(variants.size for variants in store.variants())


meanwhile = st.tuples(st.sampled_from(["put", "get", "delete", "purge", "step"]), st.integers(0, 30))


@given(taken=st.lists(meanwhile, max_size=200), limit=st.integers(2, 40))
def test_a_sweep_goes_on_through_whatever_happens_meanwhile(taken: list[tuple[str, int]], limit: int) -> None:
    store, keys, kept = MemoryStore(limit * (ROOM + 1)), _keys(31), set[int]()
    sweep: Iterator[None] = iter(())
    with patch("proxy.cache.memory.STEP", 2):
        for what, which in taken:
            match what:
                case "put":
                    store.put(keys[which], entry(), store.mark())
                    kept.add(which)
                case "get":
                    store.get(keys[which])
                case "delete":
                    store.delete(keys[which])
                    kept.discard(which)
                case "purge":
                    store.purge([("prefix", f"http://a.example/{which}")])
                    kept -= {i for i in kept if str(i).startswith(str(which))}
                case "step":
                    sweep = sweep if next(sweep, "over") != "over" else store.sweep()
            assert store.size <= limit * (ROOM + 1)
            assert store.size == sum(variants.size for variants in store.variants())
        for _ in sweep:
            pass
        for _ in store.sweep():
            pass
    assert not store.unswept
    assert set(_held(store, keys)) <= kept
    if limit > 31:
        assert set(_held(store, keys)) == kept


def test_what_is_arriving_counts() -> None:
    store, keys = MemoryStore(10 * ROOM), _keys(9)
    for key in keys:
        store.put(key, entry(), store.mark())
    room = store.room(100 * ROOM)
    assert room.take(5 * ROOM)
    assert store.size <= 10 * ROOM
    assert len(_held(store, keys)) == 5
    assert not room.take(1)
    assert store.room(10).take(0)
    assert not store.room(10).take(11)
    room.free()
    room.free()
    assert store.size == 5 * ROOM


def test_a_body_without_end_stays_within_the_limit() -> None:
    """Many of them at once, as fast as they come, with readers that take it away."""

    class Endless:
        length = None
        trailers = None

        def __init__(self) -> None:
            self._left = 100

        async def read(self) -> bytes:
            self._left -= 1
            return bytes(1 << 18) if self._left >= 0 else b""

        def close(self) -> None:
            pass

    async def scenario() -> None:
        fields = Fields([(b"cache-control", b"max-age=60")])
        stage = Cache("c", store, max_object_size=1 << 40, clock=lambda: NOON)

        async def below(_: Request) -> Response:
            return Response(200, fields, Endless())

        for i in range(8):
            answer = await stage(request(path=f"/{i}"), below)
            assert not isinstance(answer.body, bytes)
            while await answer.body.read():
                assert store.size <= 8 << 20
            answer.body.close()

    store = MemoryStore(8 << 20)
    tracemalloc.start()
    try:
        asyncio.run(scenario())
        assert tracemalloc.get_traced_memory()[1] < 10 << 20
    finally:
        tracemalloc.stop()
    assert store.size == 0


@pytest.mark.parametrize(("body", "cookies"), [(0, 1), (600, 1), (20_000, 1), (600, 2), (600, 16)])
def test_the_size_is_what_it_takes_with_what_is_kept_of_its_answers(body: int, cookies: int) -> None:
    def add_one(lines: list[Line]) -> list[Line]:
        return [*lines, via]

    via = (b"via", b"1.1 sluicegate")

    def made(i: int, j: int) -> Entry:
        lines = [(b"x-name-%d" % n, b"%d/%d" % (i, j)) for n in range(8)]
        selecting, values = ((), ()) if cookies == 1 else ((("cookie", "c" * (n % 2 + 8)),), (f"value-{i}-{j}",))
        terms = Terms(NOON + i, 60.0 + i, validate=False, strict=False)
        return Entry(200, lines, bytes(bytearray(body)), (f"tag-{i}",), terms, selecting, values, NOON + i + j)

    n, count = 8, 3000 // cookies
    store = MemoryStore(1 << 30)
    gc.collect()
    tracemalloc.start()
    try:
        for i in range(count):
            for j in range(cookies):
                entry = made(i, j)
                store.put(("http", f"{i % 10}.example", f"/path/{i}", None), entry, store.mark())
                entry.said = say(entry.lines, "cache", 0, 60)
                signed = entry.said.lines.after(add_one)
                encode_head(entry.status, signed.lines, b"", [], signed)
        gc.collect()
        assert store.size == pytest.approx(tracemalloc.get_traced_memory()[0], rel=0.06)
    finally:
        tracemalloc.stop()


steps = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9000), st.none() | st.sampled_from("xyz"), st.booleans()))


@given(steps)
def test_its_accounting_is_exact(steps: list[tuple[int, int, str | None, bool]]) -> None:
    store = MemoryStore(30_000)
    keys = _keys(6)
    for time, (i, size, cookie, delete) in enumerate(steps):
        if delete:
            store.delete(keys[i])
        else:
            store.put(keys[i], entry(bytes(size), cookie=cookie, at=float(time)), store.mark())
        assert store.size == sum(v.size for key in keys if (v := store.peek(key)) is not None) <= 30_000
    store.delete(KEY)
