"""An HTTP/2 connection of a client without a network: frames in, frames out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec

import pytest

from proxy.downstream import Limits, Timeouts
from proxy.downstream.http2_connection import Http2Connection
from proxy.errors import CONNECTION_TERMINATED, ProxyError
from proxy.exchange import Request, Response, collect
from proxy.exchange.body import Stream
from proxy.http.fields import Fields
from tests.codec.http2.wire import (
    ACK,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    HELLO,
    PING,
    POST,
    Line,
    Reader,
    block,
    data,
    frame,
    headers,
    rst_stream,
    settings,
    window_update,
)
from tests.downstream.wire import Handler, Script, Wire, hello, turn

P = ParamSpec("P")


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


class Talk:
    """A client that begins with HTTP/2 in the clear."""

    def __init__(self, handler: Handler, **options: Any) -> None:
        self.wire = Wire(handler, **options)
        self._reader = Reader()
        self.wire.send(HELLO)
        self.said()

    @property
    def connection(self) -> Http2Connection:
        connection = self.wire.transport.protocol
        assert isinstance(connection, Http2Connection)
        return connection

    def send(self, *frames: bytes) -> None:
        self.wire.send(b"".join(frames))

    def said(self) -> list[str]:
        return self._reader.read(self.wire.received())

    async def after(self, *frames: bytes) -> list[str]:
        """What is said once all has run that can."""
        if frames:
            self.send(*frames)
        await turn()
        return self.said()


def get(path: str) -> list[Line]:
    return [*GET[:3], (":path", path)]


HELLO_WORLD = "HEADERS :status=200 x-path=/ content-length=5"


@in_loop
async def test_a_request_is_answered_before_anything_waits() -> None:
    talk = Talk(hello)
    talk.send(headers(1, GET), headers(3, get("/x?y")))
    assert len(talk.wire.transport.writes) == 1
    assert talk.said() == [
        f"1 {HELLO_WORLD}",
        "1 DATA hello END",
        "3 HEADERS :status=200 x-path=/x?y content-length=5",
        "3 DATA hello END",
    ]
    assert [(request.target, outcome.complete) for request, _, outcome in talk.wire.done] == [
        ("/", True),
        ("/x?y", True),
    ]
    assert talk.wire.done[0][0].exchange.version == "2"


@in_loop
async def test_head_and_statuses_without_a_body() -> None:
    async def handler(request: Request) -> Response:
        return Response(304 if request.path == "/304" else 200, Fields([(b"content-length", b"7")]), b"")

    talk = Talk(handler)
    talk.send(headers(1, [(":method", "HEAD"), *GET[1:]]), headers(3, get("/304")))
    assert talk.said() == [
        "1 HEADERS :status=200 content-length=7 END",
        "3 HEADERS :status=304 content-length=7 END",
    ]


@in_loop
async def test_what_is_about_one_hop_of_http1_stays_there() -> None:
    async def handler(request: Request) -> Response:
        lines = [(b"connection", b"x"), (b"keep-alive", b"1"), (b"transfer-encoding", b"chunked"), (b"x", b"y")]
        return Response(200, Fields(lines), b"z")

    talk = Talk(handler)
    talk.send(headers(1, GET))
    assert talk.said() == ["1 HEADERS :status=200 x=y content-length=1", "1 DATA z END"]


@in_loop
async def test_a_body_that_is_there_comes_whole() -> None:
    async def echo(request: Request) -> Response:
        assert request.body == b"abc"
        return Response(200, Fields(), request.body)

    talk = Talk(echo)
    talk.send(headers(1, POST, end=False), data(1, b"ab"), data(1, b"c"), data(1, b"", end=True))
    assert talk.said() == ["1 HEADERS :status=200 content-length=3", "1 DATA abc END"]


@in_loop
async def test_a_body_that_arrives_and_its_trailers() -> None:
    async def echo(request: Request) -> Response:
        assert not isinstance(request.body, bytes)
        whole = await collect(request.body, 100)
        assert request.body.trailers is not None
        return Response(200, request.body.trailers, whole)

    talk = Talk(echo)
    assert await talk.after(headers(1, POST, end=False), data(1, b"ab")) == []
    assert talk.connection.running == 1
    said = await talk.after(data(1, b"c"), headers(1, [("x", "y")]))
    assert said == ["1 HEADERS :status=200 x=y content-length=3", "1 DATA abc END"]
    assert talk.connection.running == 0


@in_loop
async def test_an_answer_that_streams_with_trailers() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, Fields(), Script(b"ab", b"c", trailers=Fields([(b"grpc-status", b"0")])))

    talk = Talk(handler)
    said = await talk.after(headers(1, GET))
    assert said == ["1 HEADERS :status=200", "1 DATA ab", "1 DATA c", "1 HEADERS grpc-status=0 END"]


@in_loop
async def test_an_answer_that_breaks_is_reset() -> None:
    for body in (Script(b"ab", ProxyError(CONNECTION_TERMINATED, "gone")), Script(b"ab", length=3)):

        async def handler(request: Request, body: Script = body) -> Response:
            return Response(200, Fields(), body)

        talk = Talk(handler)
        said = await talk.after(headers(1, GET))
        assert said[1:] == ["1 DATA ab", "1 RST_STREAM INTERNAL_ERROR"]
        assert not talk.wire.done[0][2].complete
        assert body.closed
        assert (await talk.after(headers(3, GET)))[0].startswith("3 HEADERS")


@in_loop
async def test_a_handler_that_fails() -> None:
    async def handler(request: Request) -> Response:
        raise RuntimeError("a bug")

    talk = Talk(handler)
    talk.send(headers(1, GET))
    assert talk.said() == ["1 HEADERS :status=500 content-length=0 END"]


@in_loop
async def test_a_field_that_a_stage_made_and_no_message_may_have() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, Fields([(b"x", b"a\r\nb: c")]), b"z")

    talk = Talk(handler)
    talk.send(headers(1, GET))
    head, body = talk.said()
    assert head.startswith("1 HEADERS :status=500 content-type=text/plain; charset=utf-8 proxy-status=")
    assert body.startswith("1 DATA 500 Internal Server Error")


@in_loop
async def test_what_is_no_request_is_refused_and_told_of() -> None:
    talk = Talk(hello, limits=Limits(field_section=400))
    talk.send(headers(1, [*GET, ("transfer-encoding", "chunked")]))
    talk.send(headers(3, [*GET, ("x", "a" * 400)]))
    talk.send(headers(5, GET))
    reset, head, body, *_ = talk.said()
    assert reset == "1 RST_STREAM PROTOCOL_ERROR"
    assert head.startswith("3 HEADERS :status=431")
    assert body == "3 DATA 431 Request Header Fields Too Large: header section is longer than 400 bytes\n END"
    told = [(request.method, response.status, request.exchange.failure) for request, response, _ in talk.wire.done]
    assert [each[:2] for each in told] == [("-", 400), ("-", 431), ("GET", 200)]
    assert told[0][2] == ("http_request_error", "b'transfer-encoding', which only HTTP/1.1 has")


@in_loop
async def test_who_gives_up_has_its_exchange_cancelled() -> None:
    cancelled = []

    async def handler(request: Request) -> Response:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.append(request.path)
            raise
        raise AssertionError

    talk = Talk(handler)
    await talk.after(headers(1, get("/a")), headers(3, get("/b")))
    assert await talk.after(rst_stream(1)) == []
    assert (cancelled, talk.connection.running) == (["/a"], 1)
    talk.connection.connection_lost(None)
    await turn()
    assert cancelled == ["/a", "/b"]
    assert [(response.status, outcome.complete) for _, response, outcome in talk.wire.done] == [(499, False)] * 2
    assert talk.wire.listener.connections == 0


@in_loop
async def test_a_slow_reader_holds_back_who_writes_for_it() -> None:
    body = Script(*[bytes(10_000)] * 20)

    async def handler(request: Request) -> Response:
        return Response(200, Fields(), body)

    talk = Talk(handler)
    await talk.after(settings({4: 15_000}), headers(1, GET))
    assert len(body.pieces) == 18  # two were asked for: the first is sent, of the second there is half
    await talk.after(window_update(1, 15_000))
    assert len(body.pieces) == 16
    talk.connection.pause_writing()
    await talk.after(window_update(1, 100_000), window_update(0, 100_000))
    assert len(body.pieces) == 16
    assert not talk.wire.transport.reading
    talk.connection.resume_writing()
    await turn()
    assert talk.wire.transport.reading
    assert len(body.pieces) < 10


@in_loop
async def test_a_reader_that_opens_no_window() -> None:
    body = Script(b"x" * 100)

    async def handler(request: Request) -> Response:
        return Response(200, Fields(), body)

    talk = Talk(handler, timeouts=Timeouts(write=30))
    await talk.after(settings({4: 10}), headers(1, GET))
    talk.wire.wait(29)
    await talk.after(window_update(1, 1))
    talk.wire.wait(29)
    assert talk.said() == []
    talk.wire.wait(31)
    assert await talk.after() == ["1 RST_STREAM CANCEL"]
    assert body.closed
    assert not talk.wire.done[0][2].complete


@in_loop
async def test_a_stored_answer_waits_for_its_window_too() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, Fields(), b"x" * 100)

    talk = Talk(handler, timeouts=Timeouts(write=30))
    await talk.after(settings({4: 10}), headers(1, GET))
    assert talk.connection.running == 1
    assert await talk.after(window_update(1, 100)) == [f"1 DATA {'x' * 90} END"]
    assert (talk.connection.running, talk.wire.done[0][2].complete) == (0, True)


@in_loop
async def test_the_window_of_a_request_opens_as_its_body_is_read() -> None:
    bodies: list[Stream] = []

    async def handler(request: Request) -> Response:
        assert not isinstance(request.body, bytes)
        bodies.append(request.body)
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    talk = Talk(handler)
    assert await talk.after(headers(1, POST, end=False), data(1, bytes(16384)) * 16) == []
    assert len(await bodies[0].read()) == 256 * 1024
    assert await talk.after() == ["1 WINDOW_UPDATE 262144"]


@in_loop
async def test_a_body_byte_by_byte_takes_little_memory() -> None:
    bodies: list[Stream] = []

    async def handler(request: Request) -> Response:
        assert not isinstance(request.body, bytes)
        bodies.append(request.body)
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    talk = Talk(handler)
    await talk.after(headers(1, POST, end=False), data(1, b"ab") * 2000)
    assert await bodies[0].read() == b"ab" * 2000


@in_loop
async def test_an_answer_that_does_not_wait_for_the_request() -> None:
    talk = Talk(hello)
    talk.send(headers(1, POST, end=False), data(1, b"abc"))
    assert talk.said() == [f"1 {HELLO_WORLD}", "1 DATA hello END", "1 RST_STREAM NO_ERROR"]
    talk.send(data(1, b"more", end=True), headers(3, GET))
    assert talk.said()[0] == f"3 {HELLO_WORLD}"


@in_loop
async def test_expectation() -> None:
    async def echo(request: Request) -> Response:
        return Response(200, Fields(), await collect(request.body, 100))

    talk = Talk(echo)
    assert await talk.after(headers(1, [*POST, ("expect", "100-continue")], end=False)) == ["1 HEADERS :status=100"]
    assert (await talk.after(data(1, b"abc", end=True)))[1] == "1 DATA abc END"


@in_loop
async def test_interim_responses() -> None:
    async def handler(request: Request) -> Response:
        assert request.exchange.inform is not None
        request.exchange.inform(103, Fields([(b"link", b"</a>"), (b"connection", b"x")]))
        request.exchange.inform(101, Fields())
        request.exchange.inform(100, Fields())
        return Response(200, Fields(), b"")

    talk = Talk(handler)
    talk.send(headers(1, GET))
    assert talk.said() == ["1 HEADERS :status=103 link=</a>", "1 HEADERS :status=200 content-length=0 END"]


# Timeouts.


@in_loop
async def test_a_body_that_stops() -> None:
    async def echo(request: Request) -> Response:
        try:
            return Response(200, Fields(), await collect(request.body, 100))
        except ProxyError as error:
            return Response(error.status, Fields(), b"")

    talk = Talk(echo, timeouts=Timeouts(body=30))
    await talk.after(headers(1, POST, end=False))
    talk.wire.wait(29)
    await talk.after(data(1, b"a"))
    talk.wire.wait(29)
    assert await talk.after() == []
    talk.wire.wait(31)
    assert await talk.after() == ["1 HEADERS :status=408 content-length=0 END", "1 RST_STREAM NO_ERROR"]


@in_loop
async def test_a_section_that_does_not_come_to_its_end() -> None:
    talk = Talk(hello, timeouts=Timeouts(header=10, linger=2))
    whole = frame(HEADERS, END_STREAM | END_HEADERS, 1, block(GET))
    for byte in whole[:16]:
        talk.send(bytes((byte,)))
        talk.wire.wait(1)
    assert talk.said() == ["GOAWAY 0 NO_ERROR"]
    assert talk.wire.transport.half_closed
    talk.wire.wait(3)
    assert talk.wire.transport.aborted


@in_loop
async def test_who_asks_nothing_is_let_go() -> None:
    for first, limit in ((b"", 10), (headers(1, GET), 60)):
        talk = Talk(hello, timeouts=Timeouts(header=10, idle=60))
        talk.send(first)
        talk.said()
        talk.wire.wait(limit - 1)
        talk.send(frame(PING, 0, 0, bytes(8)))
        assert not talk.wire.transport.half_closed
        talk.wire.wait(2)
        assert talk.said()[-1].endswith("NO_ERROR")
        assert talk.wire.transport.half_closed


@in_loop
async def test_idle_is_who_has_been_answered_and_asks_nothing() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, Fields(), await collect(request.body, 100))

    talk = Talk(handler)
    idle = talk.wire.listener.idle
    assert list(idle()) == []
    await talk.after(headers(1, POST, end=False))
    assert list(idle()) == []
    await talk.after(data(1, b"ab", end=True))
    talk.wire.wait(5)
    assert list(idle()) == [(1000.0, talk.connection)]
    talk.connection.drain()
    assert list(idle()) == []


@in_loop
async def test_a_reader_that_takes_no_bytes() -> None:
    talk = Talk(hello, timeouts=Timeouts(write=30))
    talk.wire.transport.unsent = 100_000
    talk.wire.wait(1)
    talk.wire.wait(29)
    assert not talk.wire.transport.aborted
    talk.wire.wait(2)
    assert talk.wire.transport.aborted


# The end.


@in_loop
async def test_drain_lets_what_is_on_its_way_through() -> None:
    release = asyncio.Event()

    async def handler(request: Request) -> Response:
        await release.wait()
        return Response(200, Fields(), b"")

    talk = Talk(handler)
    await talk.after(headers(1, GET))
    talk.connection.drain()
    assert talk.said() == ["GOAWAY max NO_ERROR", "PING"]
    assert await talk.after(headers(3, GET), frame(PING, ACK, 0, bytes(8))) == ["GOAWAY 3 NO_ERROR"]
    assert await talk.after(headers(5, GET)) == []
    release.set()
    answers = await talk.after()
    assert [said.split()[0] for said in answers] == ["1", "3"]
    talk.wire.wait(0.5)
    assert talk.wire.transport.half_closed


@in_loop
async def test_drain_does_not_wait_for_who_does_not_answer() -> None:
    talk = Talk(hello)
    talk.connection.drain()
    talk.wire.wait(1.5)
    assert talk.said() == ["GOAWAY max NO_ERROR", "PING", "GOAWAY 0 NO_ERROR"]
    assert talk.wire.transport.half_closed


@in_loop
async def test_a_rule_broken_ends_all_that_runs() -> None:
    body = Script(*[b"x"] * 3)

    async def handler(request: Request) -> Response:
        await asyncio.get_running_loop().create_future()
        return Response(200, Fields(), body)

    talk = Talk(handler)
    await talk.after(headers(1, GET))
    assert await talk.after(frame(PING, 0, 1, bytes(8))) == ["GOAWAY 1 PROTOCOL_ERROR"]
    assert talk.wire.transport.half_closed
    assert talk.connection.running == 0


@in_loop
async def test_too_many_connections() -> None:
    wire = Wire(hello, most=0)
    assert b"503" in wire.received()


@pytest.mark.parametrize("protocols", [("http/1.1",), ("h2",)])
@in_loop
async def test_only_what_the_listener_speaks(protocols: tuple[str, ...]) -> None:
    wire = Wire(hello)
    wire.service.protocols = protocols
    if protocols == ("http/1.1",):
        assert wire.exchange(HELLO).startswith(b"HTTP/1.1 505 ")
    else:
        made = wire.listener.connection()
        assert isinstance(made, Http2Connection)
        made.connection_made(wire.transport)
        made.data_received(b"GET / HTTP/1.1\r\n\r\n")
        assert Reader().read(wire.received()) == ["GOAWAY 0 PROTOCOL_ERROR"]
