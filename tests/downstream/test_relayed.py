"""Connections through a load balancer, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path

import pytest

from proxy.downstream import Timeouts
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.tls import server_context
from tests.codec.test_proxy_protocol import TLV, V4, V6, v2
from tests.downstream.test_listener import GET, Run, body_of, client, listening
from tests.downstream.test_listener import run as run
from tests.downstream.wire import hello
from tests.tls.certificates import client_context, issue


async def who(request: Request) -> Response:
    return Response(200, Fields(), f"{request.exchange.client} {request.scheme}".encode())


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 192.0.2.1 198.51.100.2 4660 443\r\n", b"192.0.2.1"),
        (v2(0x21, 0x11, V4 + TLV), b"192.0.2.1"),
        (v2(0x21, 0x21, V6), b"2001:db8::1"),
        (v2(0x20, 0x00, b""), b"127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", b"127.0.0.1"),
    ],
)
def test_the_client_is_who_the_header_says(run: Run, header: bytes, address: bytes) -> None:
    async def scenario() -> None:
        async with listening(who, proxy_protocol=True) as listener:
            async with client(listener) as (reader, writer):
                writer.write(header + GET)
                assert await body_of(reader) == address + b" http"
                writer.write(GET)
                assert await body_of(reader) == address + b" http"
                assert listener.connections == 1
            async with client(listener) as (reader, writer):
                for byte in header + GET:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                assert await body_of(reader) == address + b" http"

    run(scenario)


def test_in_front_of_tls(run: Run, tmp_path: Path) -> None:
    context = server_context([issue(tmp_path, "a.example").pair], ["http/1.1"])

    async def scenario() -> None:
        async with listening(who, proxy_protocol=True, tls=context) as listener, client(listener) as (reader, writer):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = client_context().wrap_bio(incoming, outgoing, server_hostname="a.example")
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            writer.write(v2(0x21, 0x11, V4) + outgoing.read())  # in one piece, as balancers send it
            done = False
            while not done:
                incoming.write(await reader.read(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    done = True
            tls.write(GET)
            writer.write(outgoing.read())
            answer = b""
            while not answer.endswith(b"\r\n\r\n192.0.2.1 https"):
                incoming.write(await reader.read(65536))
                with contextlib.suppress(ssl.SSLWantReadError):
                    answer += tls.read(65536)

    run(scenario)


@pytest.mark.parametrize(
    "data", [GET, b"\x16\x03\x01" + bytes(50), b"PROXY TCP4 a b 1 2\r\n" + GET, v2(0x21, 0x41, V4)]
)
def test_a_connection_without_a_right_header_is_closed(run: Run, data: bytes) -> None:
    async def scenario() -> None:
        async with listening(hello, proxy_protocol=True) as listener, client(listener) as (reader, writer):
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            assert listener.connections == 0

    run(scenario)


def test_a_header_has_its_time(run: Run) -> None:
    async def scenario() -> None:
        timeouts = Timeouts(header=0)
        async with listening(hello, proxy_protocol=True, timeouts=timeouts) as listener:
            async with client(listener) as (reader, writer):
                writer.write(b"PROXY TCP4 ")
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
            assert listener.connections == 0

    run(scenario)
