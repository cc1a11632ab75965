"""Request bodies: as they arrive, asked for, unwanted, broken."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import ProxyError
from proxy.exchange import Pipe, Request, Response, collect
from proxy.exchange.body import HIGH_WATER
from proxy.http.fields import Fields
from tests.downstream.wire import Wire, hello, turn

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
EXPECT = POST + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n"


async def echo(request: Request) -> Response:
    try:
        return Response(200, Fields(), await collect(request.body, 10_000_000))
    except ProxyError as error:
        return Response(error.status, Fields(), error.detail.encode())


def ok(body: bytes, *more: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n%b" % (len(body), b"".join(more), body)


def test_a_body_in_the_same_read_is_bytes() -> None:
    for framed in (
        b"Content-Length: 3\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
    ):
        wire = Wire(echo)
        assert wire.exchange(POST + framed) == ok(b"abc")
        assert wire.done[0][0].body == b"abc"


def test_a_body_that_arrives_later_is_streamed() -> None:
    async def main() -> None:
        wire = Wire(echo)
        assert wire.exchange(POST + b"Content-Length: 5\r\n\r\nab") == b""
        wire.send(b"cd")
        wire.send(b"e" + POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nab")
        await turn()
        assert wire.received() == ok(b"abcde")
        wire.send(b"c\r\n0\r\n\r\n")
        await turn()
        assert wire.received() == ok(b"abc")

    asyncio.run(main())


def test_trailers_are_kept() -> None:
    async def main() -> None:
        wire = Wire(echo)
        wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n")
        await turn()
        body = wire.done[0][0].body
        assert isinstance(body, Pipe)
        assert body.trailers == Fields([(b"x-sum", b"1")])
        assert wire.received() == ok(b"a")

    asyncio.run(main())


def test_reading_stops_while_nobody_takes_the_body() -> None:
    async def main() -> None:
        wire = Wire(echo_when_told)
        wire.send(POST + b"Content-Length: 1000000\r\n\r\n" + b"a" * HIGH_WATER)
        assert wire.transport.reading
        wire.send(b"a")
        assert not wire.transport.reading
        told.set()
        await turn()
        assert wire.transport.reading
        wire.send(b"a" * (1_000_000 - HIGH_WATER - 1))
        await turn()
        assert wire.received() == ok(b"a" * 1_000_000)

    async def echo_when_told(request: Request) -> Response:
        await told.wait()
        return await echo(request)

    told = asyncio.Event()
    asyncio.run(main())


def test_a_client_that_waits_is_asked_when_the_body_is_first_read() -> None:
    async def main() -> None:
        wire = Wire(echo)
        assert wire.exchange(EXPECT) == CONTINUE
        wire.send(b"abc")
        await turn()
        assert wire.received() == ok(b"abc")
        assert not wire.transport.closed

    asyncio.run(main())


def test_a_client_that_does_not_wait_is_not_asked() -> None:
    async def main() -> None:
        wire = Wire(echo)
        wire.send(EXPECT + b"ab")
        wire.send(b"c")
        await turn()
        assert wire.received() == ok(b"abc")

    asyncio.run(main())


def test_the_origin_may_ask_first() -> None:
    async def main() -> None:
        async def handler(request: Request) -> Response:
            assert request.fields.get(b"expect") == b"100-continue"
            assert request.exchange.inform is not None
            await asyncio.sleep(0)
            request.exchange.inform(100, Fields())
            request.exchange.inform(100, Fields())
            return await echo(request)

        wire = Wire(handler)
        assert wire.exchange(EXPECT) == b""
        await turn()
        assert wire.received() == CONTINUE
        wire.send(b"abc")
        await turn()
        assert wire.received() == ok(b"abc")

    asyncio.run(main())


def test_a_client_that_waits_and_gets_its_answer_at_once_may_not_send_the_body() -> None:
    wire = Wire(hello)
    assert wire.exchange(EXPECT).endswith(b"content-length: 5\r\nconnection: close\r\n\r\nhello")
    assert wire.transport.half_closed
    assert wire.exchange(b"abcGET / HTTP/1.1\r\nHost: a\r\n\r\n") == b""


def test_a_body_nobody_wants_is_read_past() -> None:
    wire = Wire(hello)
    assert wire.exchange(POST + b"Content-Length: 200000\r\n\r\nabc").endswith(b"content-length: 5\r\n\r\nhello")
    assert wire.exchange(b"a" * 199_996) == b""
    assert wire.exchange(b"a" + POST + b"\r\n").endswith(b"hello")
    assert not wire.transport.closed


def test_a_body_nobody_wants_that_is_long_ends_the_connection() -> None:
    wire = Wire(hello)
    sent = wire.exchange(POST + b"Content-Length: 300000\r\n\r\nabc")
    assert sent.endswith(b"content-length: 5\r\nconnection: close\r\n\r\nhello")
    assert wire.transport.half_closed
    assert wire.transport.reading, "the client gets to see the answer"


def test_a_body_nobody_wants_that_turns_out_long_ends_the_connection() -> None:
    wire = Wire(hello)
    assert wire.exchange(POST + b"Transfer-Encoding: chunked\r\n\r\n").endswith(b"content-length: 5\r\n\r\nhello")
    assert wire.exchange(b"40000\r\n" + b"a" * 0x40000) == b""
    assert not wire.transport.half_closed
    wire.send(b"\r\n1\r\na")
    assert wire.transport.half_closed


def test_a_body_nobody_wants_does_not_hold_up_a_long_answer() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            assert isinstance(request.body, Pipe)
            request.body.close()
            await gate.wait()
            return await hello(request)

        wire = Wire(handler)
        wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n50000\r\n")
        wire.send(b"a" * 0x40000)
        assert wire.transport.reading
        wire.send(b"a")
        assert not wire.transport.reading
        gate.set()
        await turn()
        assert wire.received().endswith(b"connection: close\r\n\r\nhello")
        assert wire.transport.half_closed

    asyncio.run(main())


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        (b"2\r\nabc\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"x\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
    ],
)
def test_a_body_that_breaks_fails_whoever_reads_it(more: bytes, answer: bytes) -> None:
    async def main() -> None:
        wire = Wire(echo)
        wire.send(POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        wire.send(more + b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await turn()
        sent = wire.received()
        assert sent.startswith(answer)
        assert b"connection: close" in sent
        assert sent.count(b"HTTP/1.1") == 1
        assert wire.transport.half_closed

    asyncio.run(main())


def test_a_body_that_is_broken_in_the_same_read_reaches_no_stage() -> None:
    wire = Wire(hello)
    assert wire.exchange(POST + b"Transfer-Encoding: chunked\r\n\r\nx\r\n").startswith(b"HTTP/1.1 400 ")
    assert [(request.method, response.status) for request, response, _ in wire.done] == [("-", 400)]


def test_a_client_that_leaves_within_its_body() -> None:
    async def main() -> None:
        wire = Wire(handler)
        wire.send(POST + b"Content-Length: 5\r\n\r\nab")
        wire.connection.eof_received()
        wire.connection.connection_lost(None)
        await turn()
        assert wire.received() == b""
        with pytest.raises(ProxyError, match="left"):
            await collect(wire.done[0][0].body, 10)

    async def handler(request: Request) -> Response:
        await asyncio.Event().wait()
        raise AssertionError

    asyncio.run(main())


def test_a_body_left_behind_does_not_stop_the_reading_of_the_next() -> None:
    """The pipe of an exchange that is over was full, and is read or closed by somebody later."""

    async def main() -> None:
        seen: list[Request] = []

        async def handler(request: Request) -> Response:
            seen.append(request)
            return await hello(request)

        wire = Wire(handler)
        wire.send(POST + b"Content-Length: 100000\r\n\r\n" + b"a")
        wire.send(b"a" * 99_999)
        assert wire.transport.reading
        wire.send(POST + b"Content-Length: 3\r\n\r\n")
        body = seen[0].body
        assert isinstance(body, Pipe)
        body.close()
        assert await body.read() == b""
        wire.send(b"abc" + POST + b"\r\n")
        assert wire.received().count(b"hello") == 3

    asyncio.run(main())
