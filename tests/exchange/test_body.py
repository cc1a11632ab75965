"""Pipes: order, backpressure, ends and failures."""

from __future__ import annotations

import asyncio

import pytest

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Pipe, collect
from proxy.exchange.body import HIGH_WATER
from proxy.http.fields import Fields

BROKEN = ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, "gone")


def test_chunks_are_joined_as_they_lie_and_end_with_nothing() -> None:
    async def scenario() -> None:
        pipe = Pipe(5)
        pipe.feed(b"he")
        pipe.feed(b"llo")
        pipe.end(Fields([(b"x-sum", b"1")]))
        assert await pipe.read() == b"hello"
        assert await pipe.read() == b""
        assert await pipe.read() == b""
        assert pipe.trailers == Fields([(b"x-sum", b"1")])

    asyncio.run(scenario())


def test_a_reader_that_waits_is_woken() -> None:
    async def scenario() -> None:
        pipe = Pipe()
        reading = asyncio.ensure_future(pipe.read())
        await asyncio.sleep(0)
        pipe.feed(b"x")
        assert await reading == b"x"

    asyncio.run(scenario())


def test_the_producer_is_paused_above_the_mark_and_resumed_when_empty() -> None:
    calls: list[str] = []
    pipe = Pipe(pause=lambda: calls.append("pause"), resume=lambda: calls.append("resume"))
    pipe.feed(b"x" * HIGH_WATER)
    assert calls == []
    pipe.feed(b"x")
    pipe.feed(b"x")
    assert calls == ["pause"]
    assert len(pipe.take() or b"") == HIGH_WATER + 2
    assert calls == ["pause", "resume"]


def test_a_failure_comes_after_what_was_fed() -> None:
    pipe = Pipe()
    pipe.feed(b"part")
    pipe.fail(BROKEN)
    assert pipe.take() == b"part"
    with pytest.raises(ProxyError):
        pipe.take()


def test_closing_early_tells_the_producer_once() -> None:
    calls: list[str] = []
    pipe = Pipe(on_close=lambda: calls.append("closed"))
    pipe.close()
    pipe.close()
    pipe.feed(b"late")
    assert calls == ["closed"]
    assert pipe.take() == b""


def test_closing_after_the_end_tells_nobody() -> None:
    calls: list[str] = []
    pipe = Pipe(on_close=lambda: calls.append("closed"))
    pipe.end()
    assert pipe.take() == b""
    pipe.close()
    assert calls == []


def test_collect_is_bounded_and_closes() -> None:
    async def scenario() -> None:
        calls: list[str] = []
        pipe = Pipe(on_close=lambda: calls.append("closed"))
        pipe.feed(b"12345")
        with pytest.raises(ProxyError, match="longer than 4 bytes"):
            await collect(pipe, 4)
        assert calls == ["closed"]
        with pytest.raises(ProxyError):
            await collect(b"12345", 4)
        assert await collect(b"1234", 4) == b"1234"

    asyncio.run(scenario())
