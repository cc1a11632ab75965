"""What a connection does not wait for, by a clock of ours."""

from __future__ import annotations

import asyncio

import pytest

from proxy.downstream import Timeouts
from proxy.errors import ProxyError
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from tests.downstream.wire import Wire, hello, turn

TIMEOUTS = Timeouts(header=10, idle=60, body=20, write=30, linger=2)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"


async def read(request: Request) -> Response:
    try:
        return Response(200, Fields(), await collect(request.body, 100))
    except ProxyError as error:
        return Response(error.status, Fields())


async def never(request: Request) -> Response:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_client_that_says_nothing_is_left_silently() -> None:
    wire = Wire(hello, timeouts=TIMEOUTS)
    wire.wait(10)
    assert not wire.transport.closed
    wire.wait(0.1)
    assert wire.transport.closed
    assert wire.received() == b""


@pytest.mark.parametrize("first", [b"", GET])
def test_a_head_that_does_not_end_is_answered_408(first: bytes) -> None:
    wire = Wire(hello, timeouts=TIMEOUTS)
    wire.send(first)
    wire.wait(9)
    wire.send(b"GET / HT")
    wire.received()
    for _ in range(10):
        wire.wait(1)
        wire.send(b"P")  # a byte now and then buys no time
    assert wire.received() == b""
    wire.wait(0.1)
    assert wire.received().startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert wire.transport.half_closed


def test_an_idle_connection_is_closed() -> None:
    wire = Wire(hello, timeouts=TIMEOUTS)
    wire.send(GET)
    wire.received()
    wire.wait(59)
    wire.send(GET)
    wire.received()
    wire.wait(60)
    assert not wire.transport.closed
    wire.wait(0.1)
    assert wire.transport.closed
    assert wire.received() == b""


def test_idle_is_who_has_been_answered_and_asks_nothing() -> None:
    async def main() -> None:
        wire = Wire(hello, timeouts=TIMEOUTS)
        assert list(wire.listener.idle()) == []
        wire.send(GET)
        wire.wait(5)
        assert list(wire.listener.idle()) == [(1000.0, wire.connection)]
        wire.transport.unsent = 1
        assert list(wire.listener.idle()) == []
        wire.transport.unsent = 0
        wire.send(b"GET / HT")
        assert list(wire.listener.idle()) == []
        wire.service.handler = never
        wire.send(b"TP/1.1\r\nHost: a\r\n\r\n")
        assert list(wire.listener.idle()) == []
        wire.connection.abort()
        await turn()

    asyncio.run(main())


def test_an_exchange_may_take_its_time() -> None:
    async def main() -> None:
        wire = Wire(never, timeouts=TIMEOUTS)
        wire.send(GET)
        wire.wait(3600)
        assert not wire.transport.closed
        wire.connection.connection_lost(None)
        await turn()

    asyncio.run(main())


def test_a_body_that_stops_is_answered_408() -> None:
    async def main() -> None:
        wire = Wire(read, timeouts=TIMEOUTS)
        wire.send(UPLOAD)
        for _ in range(3):
            wire.wait(20)
            wire.send(b"a")
        wire.wait(20.1)
        await turn()
        sent = wire.received()
        assert sent.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert b"connection: close\r\n" in sent
        assert wire.transport.half_closed

    asyncio.run(main())


def test_a_body_that_was_not_asked_for_is_not_waited_for() -> None:
    async def main() -> None:
        wire = Wire(never, timeouts=TIMEOUTS)
        wire.send(UPLOAD.replace(b"Host", b"Expect: 100-continue\r\nHost"))
        wire.wait(3600)
        assert not wire.transport.half_closed
        wire.connection.connection_lost(None)
        await turn()

    asyncio.run(main())


def test_a_body_nobody_wants_that_stops_ends_the_connection() -> None:
    wire = Wire(hello, timeouts=TIMEOUTS)
    wire.send(UPLOAD)
    assert wire.received().endswith(b"hello")
    wire.wait(20.1)
    assert wire.transport.closed or wire.transport.half_closed
    assert wire.received() == b""


def test_a_body_nobody_wants_is_waited_for_while_it_comes() -> None:
    wire = Wire(hello, timeouts=TIMEOUTS)
    wire.send(UPLOAD)
    for _ in range(8):
        wire.wait(19)
        wire.send(b"a")
    wire.wait(19)
    assert wire.exchange(b"a" + GET).endswith(b"hello")


def test_a_head_that_was_sent_ahead_does_not_have_for_ever() -> None:
    async def main() -> None:
        async def handler(request: Request) -> Response:
            await asyncio.sleep(0)
            return await hello(request)

        wire = Wire(handler, timeouts=TIMEOUTS)
        wire.send(GET + b"GET")
        await turn()
        assert wire.received().endswith(b"hello")
        wire.wait(10.1)
        assert wire.received().startswith(b"HTTP/1.1 408 ")

    asyncio.run(main())


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    wire = Wire(hello, timeouts=TIMEOUTS)
    wire.send(GET)
    wire.transport.unsent = 100
    wire.wait(1)
    wire.wait(29)
    wire.transport.unsent = 99
    wire.wait(29)
    wire.wait(29)
    assert not wire.transport.closed
    wire.wait(2)
    assert wire.transport.aborted


def test_cutting_off_cancels_the_exchange() -> None:
    async def main() -> None:
        wire = Wire(never, timeouts=TIMEOUTS)
        wire.send(GET)
        wire.transport.unsent = 100
        wire.wait(1)
        wire.wait(31)
        await turn()
        assert wire.transport.aborted
        assert not wire.done[0][2].complete

    asyncio.run(main())


def test_lingering_ends() -> None:
    wire = Wire(hello, timeouts=TIMEOUTS)
    wire.send(b"x y\r\n\r\n")
    assert wire.transport.half_closed
    wire.wait(2)
    assert not wire.transport.closed
    wire.wait(0.1)
    assert wire.transport.closed


def test_the_date_goes_on() -> None:
    wire = Wire(hello)
    wire.wait(1)
    wire.send(GET)
    assert b"date: Thu, 01 Jan 1970 00:16:41 GMT\r\n" in wire.transport.writes[0]


def test_durations_and_starting_times_are_of_the_clock() -> None:
    async def main() -> None:
        wire = Wire(read)
        wire.now = 1005.5
        wire.send(UPLOAD)
        wire.now = 1007.5
        wire.send(b"a" * 9)
        await turn()
        ((request, _, outcome),) = wire.done
        assert (request.exchange.started, outcome.duration) == (1005.5, 2.0)

    asyncio.run(main())
