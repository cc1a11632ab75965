"""Clients over TLS: Python's own, against a listener on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from proxy.downstream import Listener, Timeouts
from proxy.downstream.overload import TURN, Load
from proxy.downstream.refusals import Refusals
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from proxy.tls import server_context
from tests.downstream.test_listener import GET, MIB, Run, Zeros, body_of, listening
from tests.downstream.test_listener import run as run
from tests.downstream.wire import hello
from tests.tls.certificates import client_context, issue

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context([issue(tmp_path_factory.mktemp("tls"), "a.example").pair], ["http/1.1"])


@contextlib.asynccontextmanager
async def secure(listener: Listener, context: ssl.SSLContext, name: str = "a.example") -> AsyncIterator[Streams]:
    host, port = listener.addresses[0]
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def until(condition: Callable[[], bool]) -> None:
    for _ in iter(condition, True):
        await asyncio.sleep(0)


def tls_of(writer: asyncio.StreamWriter) -> ssl.SSLObject:
    found = writer.get_extra_info("ssl_object")
    assert isinstance(found, ssl.SSLObject)
    return found


def test_requests_are_answered(run: Run, context: ssl.SSLContext) -> None:
    async def scheme(request: Request) -> Response:
        return Response(200, Fields(), request.scheme.encode())

    async def scenario() -> None:
        client = client_context("http/1.1")
        async with listening(scheme, tls=context) as listener, secure(listener, client) as (reader, writer):
            for _ in range(3):
                writer.write(GET)
                assert await body_of(reader) == b"https"
            assert tls_of(writer).selected_alpn_protocol() == "http/1.1"
            assert tls_of(writer).version() == "TLSv1.3"
            assert listener.connections == 1

    run(scenario)


@pytest.mark.parametrize("protocols", [(), ("h3",), ("acme-tls/1", "http/1.1")])
def test_a_client_that_agrees_on_nothing_speaks_http_1_1(
    run: Run, context: ssl.SSLContext, protocols: tuple[str, ...]
) -> None:
    async def scenario() -> None:
        async with (
            listening(hello, tls=context) as listener,
            secure(listener, client_context(*protocols)) as (reader, writer),
        ):
            writer.write(GET)
            assert await body_of(reader) == b"hello"

    run(scenario)


def test_bodies_go_both_ways(run: Run, context: ssl.SSLContext) -> None:
    async def echo(request: Request) -> Response:
        return Response(200, Fields(), request.body)

    async def scenario() -> None:
        async with listening(echo, tls=context) as listener, secure(listener, client_context()) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (4 * MIB))
            await reader.readuntil(b"\r\n\r\n")

            async def upload() -> None:
                for number in range(64):
                    writer.write(bytes([number]) * 64 * 1024)
                    await writer.drain()

            task = asyncio.create_task(upload())
            assert await reader.readexactly(4 * MIB) == b"".join(bytes([n]) * 64 * 1024 for n in range(64))
            await task

    run(scenario)


def test_a_client_that_does_not_read_stops_the_body(run: Run, context: ssl.SSLContext) -> None:
    async def scenario() -> None:
        body = Zeros(1024 * MIB)

        async def handler(request: Request) -> Response:
            return Response(200, Fields(), body)

        client = client_context()
        async with listening(handler, tls=context) as listener, secure(listener, client) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(GET)
            before = -1
            while body.left != before:
                before = body.left
                for _ in range(100):
                    await asyncio.sleep(0)
            assert body.length - body.left < 64 * MIB
            assert not body.done.is_set()
        await body.done.wait()

    run(scenario)


def test_the_end_of_a_connection_is_said(run: Run, context: ssl.SSLContext) -> None:
    """A response that ends with its connection is whole only if TLS says that it has ended (RFC 9112 §9.8)."""

    async def scenario() -> None:
        async with listening(hello, tls=context) as listener:
            host, port = listener.addresses[0]
            received = await asyncio.to_thread(_read_to_the_end, host, port)
            assert received.endswith(b"\r\n\r\nhello")

    run(scenario)


def _read_to_the_end(host: str, port: int) -> bytes:
    with (
        socket.create_connection((host, port)) as plain,
        client_context().wrap_socket(plain, server_hostname="a.example", suppress_ragged_eofs=False) as tls,
    ):
        tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
        received = b""
        while piece := tls.recv(65536):
            received += piece
        return received


def test_an_upload_cut_off_is_no_whole_request(run: Run, context: ssl.SSLContext) -> None:
    async def scenario() -> None:
        over = asyncio.Event()

        async def handler(request: Request) -> Response:
            try:
                await collect(request.body, MIB)
            finally:
                over.set()
            raise AssertionError("the body had an end")

        done: list[bool] = []
        told = partial(_note_whether_complete, done)
        async with listening(handler, tls=context, on_done=told) as listener:
            async with secure(listener, client_context()) as (_, writer):
                writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
                await writer.drain()
            await over.wait()
            await until(lambda: not listener.connections)
        assert done == [False]

    run(scenario)


def _note_whether_complete(
    done: list[bool], request: Request, response: Response, sent: int, complete: bool, seconds: float
) -> None:
    assert response.status == 499
    done.append(complete)


@pytest.mark.parametrize(
    "garbage",
    [
        GET,
        b"\x16\x03\x01\xff\xff" + bytes(100),
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),  # an SSL 2.0 hello
        bytes(1000),
        b"\x15\x03\x01\x00\x02\x02\x28",  # an alert
    ],
)
def test_what_is_no_tls_is_refused(run: Run, context: ssl.SSLContext, garbage: bytes) -> None:
    async def scenario() -> None:
        async with listening(hello, tls=context) as listener:
            reader, writer = await asyncio.open_connection(*listener.addresses[0])
            writer.write(garbage)
            writer.write_eof()
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await reader.read()
            writer.close()
            async with secure(listener, client_context()) as (reader, writer):
                writer.write(GET)
                assert await body_of(reader) == b"hello"
            await until(lambda: not listener.connections)

    run(scenario)


def test_with_too_much_to_do_a_handshake_goes_on_but_none_begins(run: Run, context: ssl.SSLContext) -> None:
    spent = 0.0
    refused: list[tuple[str, str]] = []

    async def scenario() -> None:
        nonlocal spent
        refusals = Refusals("there", lambda *refusal: refused.append(refusal))
        async with listening(hello, tls=context, refusals=refusals) as listener:
            load = listener.service.load = Load(None, lambda: spent)
            load.look(late=1.0, worked=1.0)
            reader, writer = await asyncio.open_connection(*listener.addresses[0])
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            client = client_context().wrap_bio(incoming, outgoing, server_hostname="a.example")
            with pytest.raises(ssl.SSLWantReadError):
                client.do_handshake()
            writer.write(outgoing.read())
            incoming.write(await reader.read(65536))
            spent = TURN / 2
            with pytest.raises((ConnectionError, ssl.SSLError)):
                async with secure(listener, client_context()):
                    pass
            assert refused == [("there", "overload")]
            client.do_handshake()
            client.write(GET)
            writer.write(outgoing.read())
            incoming.write(await reader.read(65536))
            while True:
                try:
                    assert client.read(100).startswith(b"HTTP/1.1 200 OK")
                    break
                except ssl.SSLWantReadError:
                    incoming.write(await reader.read(65536))
            writer.close()

    run(scenario)


def test_a_client_that_does_not_trust_us(run: Run, context: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with listening(hello, tls=context) as listener:
            with pytest.raises(ssl.SSLCertVerificationError):
                async with secure(listener, ssl.create_default_context()):
                    pass
            await until(lambda: not listener.connections)

    run(scenario)


def test_a_handshake_has_its_time(run: Run, context: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with listening(hello, tls=context, timeouts=Timeouts(header=0)) as listener:
            reader, writer = await asyncio.open_connection(*listener.addresses[0])
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()
            assert listener.connections == 0

    run(scenario)


def test_handshakes_count_as_connections_and_do_not_hold_up_a_drain(run: Run, context: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with listening(hello, tls=context, max_connections=1) as listener:
            reader, writer = await asyncio.open_connection(*listener.addresses[0])
            await until(lambda: listener.connections == 1)
            with pytest.raises((ConnectionError, ssl.SSLError)):
                async with secure(listener, client_context()):
                    pass
            await listener.drain(30)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            writer.close()

    run(scenario)
