"""Exchanges on one connection, as transcripts."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from proxy import errors
from proxy.downstream import Limits, Service, bind, serve
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from tests.downstream.wire import DATE, Handler, Outcome, Script, Wire, hello, turn

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nx-path: /\r\ncontent-length: 5\r\n\r\nhello"


def answers(response: Response) -> Handler:
    async def handler(request: Request) -> Response:
        return response

    return handler


def test_an_exchange_without_waiting_is_answered_at_once() -> None:
    wire = Wire(hello)
    assert wire.exchange(GET) == HELLO
    assert not wire.transport.closed


def test_the_request_as_stages_see_it() -> None:
    wire = Wire(hello)
    wire.send(b"POST /a?b HTTP/1.1\r\nHost: Shop:80\r\nX-Request-Id: r-1\r\nContent-Length: 2\r\n\r\nhi")
    ((request, response, outcome),) = wire.done
    assert (request.method, request.scheme, request.authority, request.target) == ("POST", "http", "shop:80", "/a?b")
    assert request.fields.lines == [(b"x-request-id", b"r-1"), (b"content-length", b"2")]
    assert request.body == b"hi"
    assert (request.exchange.id, request.exchange.client, request.exchange.started) == ("r-1", "192.0.2.7", 1000.0)
    assert response.status == 200
    assert outcome == Outcome(len(b"".join(wire.transport.writes)), True, 0.0)


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b"\xe4", b"a\t,b"])
def test_a_request_id_unfit_for_logs_is_replaced(given: bytes) -> None:
    wire = Wire(hello)
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + given + b"\r\n\r\n" + GET)
    first, second = (request.exchange.id for request, _, _ in wire.done)
    assert first != second
    assert len(first) > 16


def test_pipelined_requests_are_answered_in_order_with_one_write() -> None:
    wire = Wire(hello)
    wire.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(20)))
    assert len(wire.transport.writes) == 1
    assert [line for line in wire.received().split(b"\r\n") if line.startswith(b"x-path")] == [
        b"x-path: /%d" % i for i in range(20)
    ]


def test_pipelined_requests_wait_for_the_one_in_front_and_nothing_more_is_read() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            if request.path == "/slow":
                await gate.wait()
            return await hello(request)

        wire = Wire(handler)
        assert wire.exchange(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n") == b""
        assert wire.transport.reading
        assert wire.exchange(GET + b"GET /last HTTP/1.1\r\nHo") == b""
        assert not wire.transport.reading
        gate.set()
        await turn()
        assert wire.received() == HELLO.replace(b"/", b"/slow", 2).replace(b"HTTP/slow1.1", b"HTTP/1.1") + HELLO
        assert wire.transport.reading
        assert wire.exchange(b"st: a\r\n\r\n") == HELLO.replace(b": /", b": /last")

    asyncio.run(main())


def test_an_exchange_that_waits_takes_no_task_and_others_go_on() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            await gate.wait()
            return await hello(request)

        wire = Wire(handler)
        wire.send(GET)
        assert len(asyncio.all_tasks()) == 1
        gate.set()
        await turn()
        assert wire.received() == HELLO

    asyncio.run(main())


@pytest.mark.parametrize(
    ("request_", "end"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"connection: close\r\n"),
        (b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", b"connection: close\r\n"),
        (b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", b"connection: keep-alive\r\n"),
        (GET, b""),
    ],
)
def test_whether_the_connection_goes_on(request_: bytes, end: bytes) -> None:
    wire = Wire(hello)
    assert wire.exchange(request_) == HELLO.replace(b"length: 5\r\n", b"length: 5\r\n" + end)
    assert wire.transport.closed is (end == b"connection: close\r\n")
    assert not wire.transport.aborted


def test_nothing_is_answered_after_the_last_request() -> None:
    wire = Wire(hello)
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    assert wire.received().count(b"HTTP/1.1 200") == 1
    assert wire.transport.half_closed


@pytest.mark.parametrize(
    ("response", "head", "get"),
    [
        (Response(200, Fields(), b"abc"), b"200 OK\r\ncontent-length: 3\r\n\r\n", b"abc"),
        (Response(200, Fields([(b"content-length", b"9")]), b"abc"), b"200 OK\r\ncontent-length: 3\r\n\r\n", b"abc"),
        (Response(200, Fields([(b"transfer-encoding", b"x")]), b""), b"200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (Response(200, Fields([(b"connection", b"x")]), b""), b"200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (Response(204, Fields([(b"content-length", b"3")]), b""), b"204 No Content\r\n\r\n", b""),
        (Response(204, Fields(), b"abc"), b"204 No Content\r\n\r\n", b""),
        (
            Response(304, Fields([(b"content-length", b"3"), (b"etag", b'"x"')]), b""),
            b'304 Not Modified\r\netag: "x"\r\ncontent-length: 3\r\n\r\n',
            b"",
        ),
        (Response(404, Fields(), b""), b"404 Not Found\r\ncontent-length: 0\r\n\r\n", b""),
        (Response(599, Fields(), b""), b"599 \r\ncontent-length: 0\r\n\r\n", b""),
    ],
)
def test_framing_of_whole_bodies(response: Response, head: bytes, get: bytes) -> None:
    assert Wire(answers(response)).exchange(GET) == b"HTTP/1.1 " + head + get


def test_an_answer_to_head_says_what_get_would() -> None:
    head = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
    wire = Wire(answers(Response(200, Fields([(b"content-length", b"7000")]))))
    assert wire.exchange(head + head) == b"HTTP/1.1 200 OK\r\ncontent-length: 7000\r\n\r\n" * 2
    wire = Wire(answers(Response(200, Fields([(b"content-length", b"7, 7")]))))
    assert wire.exchange(head) == b"HTTP/1.1 200 OK\r\n\r\n"


def test_the_date_is_that_of_the_response_if_it_has_one() -> None:
    wire = Wire(answers(Response(200, Fields([(b"date", b"Fri, 02 Jan 1970 00:00:00 GMT")]))))
    wire.send(GET)
    assert wire.transport.writes == [
        b"HTTP/1.1 200 OK\r\ndate: Fri, 02 Jan 1970 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n"
    ]


STREAMS = {
    "length known": (Script(b"ab", b"c", length=3), b"content-length: 3\r\n\r\nabc"),
    "length not known": (Script(b"ab", b"c"), b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"),
    "empty": (Script(), b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    "with trailers": (
        Script(b"a", trailers=Fields([(b"x-sum", b"1")])),
        b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n",
    ),
}


@pytest.mark.parametrize(("body", "sent"), STREAMS.values(), ids=STREAMS.keys())
def test_framing_of_streams(body: Script, sent: bytes) -> None:
    wire = Wire(answers(Response(200, Fields([(b"content-length", b"77")]), body)))
    assert wire.exchange(GET) == b"HTTP/1.1 200 OK\r\n" + sent
    assert body.closed
    assert wire.done[0][2].complete
    assert not wire.transport.closed


def test_a_stream_that_is_there_after_some_waiting_is_one_write() -> None:
    async def main() -> None:
        async def handler(request: Request) -> Response:
            await asyncio.sleep(0)
            return Response(200, Fields(), Script(b"ab", b"c"))

        wire = Wire(handler)
        wire.send(GET)
        await turn()
        assert len(wire.transport.writes) == 1
        assert wire.received().endswith(b"\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")

    asyncio.run(main())


def test_http_1_0_is_not_sent_chunks() -> None:
    wire = Wire(answers(Response(200, Fields(), Script(b"ab", b"c"))))
    assert wire.exchange(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == (
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nabc"
    )
    assert wire.transport.closed
    assert not wire.transport.aborted


def test_a_stream_that_is_not_to_be_sent_is_closed() -> None:
    body = Script(b"abc", length=3)
    wire = Wire(answers(Response(200, Fields([(b"content-length", b"3")]), body)))
    assert wire.exchange(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n") == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
    assert body.closed


BROKEN = ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, "cut")


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        (Script(b"abc", b"d", length=3), b"content-length: 3\r\n\r\nabc"),
        (Script(b"abcd", length=3), b"content-length: 3\r\n\r\nabc"),
        (Script(b"ab", length=3), b"content-length: 3\r\n\r\nab"),
        (Script(b"ab", BROKEN, length=3), b"content-length: 3\r\n\r\nab"),
        (Script(b"ab", BROKEN), b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n"),
        (Script(b"ab", ValueError("a bug")), b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n"),
        (
            Script(b"ab", trailers=Fields([(b"x", b"1\r\n\r\nHTTP/1.1 200 OK")])),
            b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
        ),
    ],
)
def test_a_body_that_is_not_as_announced_ends_the_connection(body: Script, sent: bytes) -> None:
    wire = Wire(answers(Response(200, Fields(), body)))
    assert wire.exchange(GET + GET) == b"HTTP/1.1 200 OK\r\n" + sent
    assert wire.transport.half_closed or wire.transport.closed
    assert body.closed
    ((_, _, outcome),) = wire.done
    assert not outcome.complete


def test_a_broken_body_that_only_the_close_would_end_is_reset() -> None:
    wire = Wire(answers(Response(200, Fields(), Script(b"ab", BROKEN))))
    wire.send(b"GET / HTTP/1.0\r\n\r\n")
    assert wire.transport.aborted
    assert wire.transport.resets


def test_a_body_that_only_the_close_ends_is_reset_until_the_kernel_has_all_of_it() -> None:
    async def main() -> None:
        async def handler(request: Request) -> Response:
            wire.connection.pause_writing()  # the client is slow
            return Response(200, Fields(), Script(b"ab", b"c"))

        wire = Wire(handler)
        wire.send(b"GET / HTTP/1.0\r\n\r\n")
        await turn()
        assert (wire.transport.resets, wire.transport.closed) == (True, False)
        wire.connection.resume_writing()
        await turn()
        assert wire.received().endswith(b"\r\n\r\nabc")
        assert (wire.transport.resets, wire.transport.closed) == (False, True)

    asyncio.run(main())


@pytest.mark.parametrize("lines", ["", "connection: keep-alive\r\n"])
def test_a_large_body_without_a_length_reaches_a_slow_client_whole_or_not_at_all(lines: str) -> None:
    """Over real sockets: the end of the connection is the end of the body, a broken one ends it with a reset."""
    piece = bytes(range(256)) * 256

    async def ask(*pieces: bytes | Exception) -> bytes:
        handler = answers(Response(200, Fields(), Script(*pieces)))
        listener = await serve(bind("127.0.0.1", 0), Service(handler))
        reader, writer = await asyncio.open_connection(*listener.addresses[0], limit=1024)
        writer.write(f"GET / HTTP/1.0\r\n{lines}\r\n".encode())
        received = b""
        try:
            while data := await reader.read(65536):
                received += data
                await asyncio.sleep(0)
        finally:
            writer.close()
            await listener.drain(1)
        return received.partition(b"\r\n\r\n")[2]

    async def main() -> None:
        assert await ask(*[piece] * 100) == piece * 100
        with pytest.raises(ConnectionResetError):
            await ask(*[piece] * 10, BROKEN)

    uvloop.run(main())


@pytest.mark.parametrize(
    "response",
    [
        Response(200, Fields([(b"x", b"a\r\nset-cookie: b")])),
        Response(200, Fields([(b"x", b"a\nb")])),
        Response(200, Fields([(b"x", b"a\rb")])),
        Response(200, Fields([(b"x", b"a\0b")])),
        Response(200, Fields([(b"x\r\ny", b"a")])),
        Response(100, Fields()),
        Response(99, Fields()),
        Response(600, Fields()),
        Response(1000, Fields(), Script(b"abc")),
    ],
)
def test_nothing_unchecked_gets_on_the_wire(response: Response) -> None:
    wire = Wire(answers(response))
    sent = wire.exchange(GET)
    assert sent.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"proxy-status: sluicegate; error=proxy_internal_error" in sent
    assert b"set-cookie" not in sent
    assert wire.transport.half_closed
    assert wire.done[0][1].status == 500


def test_a_handler_that_raises_costs_its_own_connection_only() -> None:
    async def handler(request: Request) -> Response:
        raise ValueError("a bug")

    wire = Wire(handler)
    assert wire.exchange(GET + GET) == (
        b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
    assert wire.transport.half_closed


def test_telemetry_that_fails_costs_nobody_an_answer() -> None:
    def fail(*_: object) -> None:
        raise ValueError("a bug")

    wire = Wire(hello)
    wire.service.on_done = fail
    assert wire.exchange(GET + GET) == HELLO + HELLO


def test_a_handler_that_is_cancelled_is_answered_for() -> None:
    async def handler(request: Request) -> Response:
        raise asyncio.CancelledError

    wire = Wire(handler)
    assert wire.exchange(GET).startswith(b"HTTP/1.1 500 ")
    assert wire.transport.half_closed
    assert wire.done[0][1].status == 500


def test_what_is_no_request_is_answered_after_those_in_front_of_it() -> None:
    wire = Wire(hello)
    sent = wire.exchange(GET + b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + GET)
    assert sent.startswith(HELLO)
    text = b"400 Bad Request: more than one Host\n"
    assert sent[len(HELLO) :] == (
        b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n"
        b'proxy-status: sluicegate; error=http_request_error; details="more than one Host"\r\n'
        b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(text), text)
    )
    assert wire.transport.half_closed
    assert wire.exchange(GET) == b""


def test_limits_reach_the_codec() -> None:
    wire = Wire(hello, limits=Limits(field_lines=1))
    assert wire.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\n\r\n").startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("how", ["eof", "reset"])
def test_a_client_that_leaves_cancels_the_exchange(how: str) -> None:
    async def main() -> None:
        cancelled = False

        async def handler(request: Request) -> Response:
            nonlocal cancelled
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled = True
                raise
            raise AssertionError

        wire = Wire(handler)
        wire.send(GET)
        if how == "eof":
            wire.connection.eof_received()
        wire.connection.connection_lost(None)
        await turn()
        assert cancelled
        ((_, response, outcome),) = wire.done
        assert (response.status, outcome.complete) == (499, False)
        assert wire.received() == b""
        assert wire.listener.connections == 0

    asyncio.run(main())


def test_a_client_that_leaves_closes_the_body_it_was_sent() -> None:
    async def main() -> None:
        class Endless(Script):
            async def read(self) -> bytes:
                await asyncio.sleep(3600)
                return b""

        body = Endless()
        wire = Wire(answers(Response(200, Fields(), body)))
        assert wire.exchange(GET).endswith(b"chunked\r\n\r\n")
        wire.connection.connection_lost(ConnectionResetError())
        await turn()
        assert body.closed
        assert not wire.done[0][2].complete

    asyncio.run(main())


def test_a_handler_that_does_not_let_itself_be_cancelled_writes_to_nobody() -> None:
    async def main() -> None:
        async def handler(request: Request) -> Response:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return Response(200, Fields([(b"x", b"\n")]), b"late")
            raise AssertionError

        wire = Wire(handler)
        wire.send(GET)
        wire.connection.eof_received()
        await turn()
        assert wire.received() == b""
        assert not wire.done[0][2].complete

    asyncio.run(main())


def test_interim_responses_are_passed_on() -> None:
    async def handler(request: Request) -> Response:
        inform = request.exchange.inform
        if inform is not None:
            inform(103, Fields([(b"link", b"</a.css>; rel=preload"), (b"connection", b"x")]))
            inform(101, Fields())
            inform(100, Fields())  # nobody waits for it
        return Response(200, Fields())

    wire = Wire(handler)
    assert wire.exchange(GET) == (
        b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    )
    assert wire.exchange(b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")


def test_an_interim_response_after_the_final_one_is_not() -> None:
    class Late(Script):
        async def read(self) -> bytes:
            inform(103, Fields())
            return b""

    def inform(status: int, fields: Fields) -> None:
        request = seen[-1]
        assert request.exchange.inform is not None
        request.exchange.inform(status, fields)

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200, Fields(), Late())

    seen: list[Request] = []
    wire = Wire(handler)
    assert wire.exchange(GET).startswith(b"HTTP/1.1 200 OK\r\n")
    assert seen[0].exchange.inform is None


def test_a_slow_client_holds_back_the_body_and_the_next_request() -> None:
    async def main() -> None:
        body = Script(b"a" * 10, b"b" * 10, length=20)
        wire = Wire(answers(Response(200, Fields(), body)))
        wire.connection.pause_writing()
        wire.send(GET)
        assert wire.received() == b"", "nothing is begun while there is something unsent"
        wire.connection.resume_writing()
        assert wire.received().endswith(b"a" * 10 + b"b" * 10)

    asyncio.run(main())


def test_a_body_goes_on_when_the_client_has_taken_what_there_was() -> None:
    async def main() -> None:
        wire: Wire

        class Pausing(Script):
            async def read(self) -> bytes:
                wire.connection.pause_writing()
                return await super().read()

        wire = Wire(answers(Response(200, Fields(), Pausing(b"a", b"b", b"c"))))
        expected = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n", b"1\r\nb\r\n", b"1\r\nc\r\n"]
        wire.send(GET)
        for piece in expected:
            assert wire.received() == piece
            wire.connection.resume_writing()
            await turn()
        assert wire.received() == b"0\r\n\r\n"

    asyncio.run(main())


def test_too_many_connections() -> None:
    wire = Wire(hello, most=1)
    second, connection = wire.connect()
    assert second.writes[0].startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"error=connection_limit_reached" in second.writes[0]
    connection.data_received(GET)
    assert len(second.writes) == 1
    assert wire.exchange(GET) == HELLO


def test_what_is_no_request_is_told_too() -> None:
    wire = Wire(answers(Response(200, Fields())))
    answer = wire.exchange(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    ((request, response, outcome),) = wire.done
    assert (request.method, request.target, response.status) == ("-", "-", 400)
    assert request.exchange.failure == ("http_request_error", "more than one Host")
    assert outcome == Outcome(len(answer) + len(DATE), True, 0.0)
