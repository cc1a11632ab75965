"""WebSockets and other upgrades through the whole proxy: real sockets, a real client and server of WebSockets, and
everything that only looks like an upgrade."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed

from proxy.exchange import Request, Response
from tests.integration.site import BUILT, Site, site
from tests.listening import listening
from tests.patience import PATIENCE

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
HANDSHAKE = (
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
SWITCHING = (
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    f"Sec-WebSocket-Accept: {ACCEPT}\r\n\r\n"
).encode()
ECHO = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo/1\r\n\r\n"
TO_ECHO = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo/1\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Origin:
    """Hears heads, and says what it is told to. heads: what it heard."""

    def __init__(self, answer: bytes, after: Serve | None = None) -> None:
        self.answer, self.after = answer, after
        self.heads: list[bytes] = []
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
                if self.after is not None:
                    await self.after(reader, writer)
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def through(
    directory: Path, origin: Serve, *, chain: list[dict[str, Any]] | None = None, **more: Any
) -> AsyncIterator[Site]:
    """A proxy in front of this origin."""
    async with listening(origin) as port:
        upstreams = {"origin": {"endpoints": [f"http://127.0.0.1:{port}"]}}
        async with site(directory, b"", chain=chain, **{"upstreams": upstreams, **more}) as proxy:
            yield proxy


async def opened(proxy: Site, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """A connection on which this was sent, and the head that came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(data)
    return reader, writer, await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)


def told(proxy: Site) -> list[tuple[Request, Response, int, bool]]:
    """What the log gets to hear from now on."""
    heard: list[tuple[Request, Response, int, bool]] = []
    service = proxy.server.listeners[0].service
    service.on_done = lambda request, response, sent, whole, _: heard.append((request, response, sent, whole))
    return heard


async def cut(reader: asyncio.StreamReader) -> None:
    """Until the proxy has ended the connection."""
    with suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), PATIENCE) == b""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what the proxy does is no event of ours
            await asyncio.sleep(0.01)


class TestWebSockets:
    @pytest.mark.parametrize("secure", [False, True])
    def test_messages_both_ways(self, tmp_path: Path, secure: bool) -> None:
        async def answer(connection: ServerConnection) -> None:
            async for message in connection:
                await connection.send(message if isinstance(message, bytes) else message.upper())

        async def run() -> None:
            authority = trustme.CA()
            certificate = authority.issue_cert("localhost")
            certificate.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
            trust = ssl.create_default_context()
            authority.configure_trust(trust)
            listener: dict[str, Any] = {"address": "127.0.0.1:0"}
            if secure:
                listener["tls"] = {"certificates": [{"certificate": "both.pem", "key": "both.pem"}]}
            big = bytes(range(256)) * 4096
            async with serve_websockets(answer, "127.0.0.1", 0, max_size=None) as origin:
                upstreams = {"origin": {"endpoints": [f"http://127.0.0.1:{origin.sockets[0].getsockname()[1]}"]}}
                async with site(tmp_path, b"", listeners=[listener], upstreams=upstreams) as proxy:
                    url = f"{'wss' if secure else 'ws'}://localhost:{proxy.port}/chat"
                    async with connect(
                        url, ssl=trust if secure else None, host="127.0.0.1", max_size=None, proxy=None
                    ) as client:
                        assert client.response is not None
                        assert "x-request-id" in client.response.headers
                        await client.send("hello")
                        assert await client.recv() == "HELLO"
                        await client.send(big)
                        assert await client.recv() == big
                        await client.close(4001, "enough")
                    assert client.close_code == 4001

        uvloop.run(run())

    def test_to_an_origin_over_tls(self, tmp_path: Path) -> None:
        async def answer(connection: ServerConnection) -> None:
            async for message in connection:
                await connection.send(message)

        async def run() -> None:
            authority = trustme.CA()
            authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert("localhost").configure_cert(context)
            async with serve_websockets(answer, "127.0.0.1", 0, ssl=context) as origin:
                port = origin.sockets[0].getsockname()[1]
                upstream = {"endpoints": [f"https://localhost:{port}"], "tls": {"ca": "ca.pem"}}
                async with (
                    site(tmp_path, b"", upstreams={"origin": upstream}) as proxy,
                    connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None) as client,
                ):
                    await client.send("x" * 100_000)
                    assert await client.recv() == "x" * 100_000

        uvloop.run(run())

    def test_the_chain_looks_at_the_handshake_and_caches_have_no_part_in_it(self, tmp_path: Path) -> None:
        async def run() -> None:
            origin = Origin(SWITCHING, echo)
            filters = {"hello": {"component": str(BUILT / "security-headers.wasm")}}
            chain: list[dict[str, Any]] = [{"filter": "hello"}, {"cache": {"ttl": "60s"}}]
            async with through(tmp_path, origin, chain=chain, filters=filters) as proxy:
                for _ in range(2):
                    _, writer, head = await opened(proxy, HANDSHAKE)
                    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n")
                    assert b"\r\nupgrade: websocket\r\n" in head
                    assert b"cache-status: cache-1; fwd=bypass; detail=upgrade" in head
                    assert b"content-type-options" not in head
                    writer.close()
            assert len(origin.heads) == 2
            assert b"\r\nconnection: upgrade\r\nupgrade: websocket\r\n" in origin.heads[0]
            assert f"sec-websocket-key: {KEY}\r\n".encode() in origin.heads[0]

        uvloop.run(run())


class TestTunnels:
    def test_bytes_that_come_too_early_wait_for_the_answer(self, tmp_path: Path) -> None:
        async def run() -> None:
            origin = Origin(TO_ECHO + b"hello ", echo)
            async with through(tmp_path, origin) as proxy:
                reader, writer, head = await opened(proxy, ECHO + b"GET /early HTTP/1.1\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101 ")
                expected = b"hello GET /early HTTP/1.1\r\n\r\n"
                assert await asyncio.wait_for(reader.readexactly(len(expected)), PATIENCE) == expected
                writer.close()
            assert len(origin.heads) == 1

        uvloop.run(run())

    def test_half_a_connection_still_hears(self, tmp_path: Path) -> None:
        async def after(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard = await reader.read()  # to its end
            writer.write(b"%d" % len(heard))

        async def run() -> None:
            async with through(tmp_path, Origin(TO_ECHO, after)) as proxy:
                heard = told(proxy)
                reader, writer, head = await opened(proxy, ECHO)
                writer.write(bytes(1_000_000))
                writer.write_eof()
                assert await asyncio.wait_for(reader.read(), PATIENCE) == b"1000000"
                writer.close()
                await until(lambda: bool(heard))
                request, response, sent, whole = heard[0]
                assert (response.status, whole, sent) == (101, True, len(head) + len(b"1000000"))
                assert request.exchange.failure is None
                assert proxy.server.listeners[0].connections == 0

        uvloop.run(run())

    def test_a_client_that_does_not_read_holds_the_origin_back(self, tmp_path: Path) -> None:
        sent = 0

        async def after(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            for _ in range(1024):
                writer.write(bytes(65536))
                await writer.drain()
                sent += 65536

        async def run() -> None:
            async with through(tmp_path, Origin(TO_ECHO, after)) as proxy:
                reader, writer, _ = await opened(proxy, ECHO)
                before = -1
                while before != sent or not sent:  # until it stands still
                    before = sent
                    await asyncio.sleep(0.3)
                assert sent < 64 << 20
                assert len(await asyncio.wait_for(reader.read(), PATIENCE)) == 64 << 20
                writer.close()

        uvloop.run(run())

    def test_an_origin_that_goes_away(self, tmp_path: Path) -> None:
        async def after(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"so far")
            await writer.drain()
            await reader.readexactly(1)
            writer.transport.abort()

        async def run() -> None:
            async with through(tmp_path, Origin(TO_ECHO, after)) as proxy:
                reader, writer, _ = await opened(proxy, ECHO)
                assert await reader.readexactly(6) == b"so far"
                writer.write(b"x")
                assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
                writer.close()
                await until(lambda: proxy.server.listeners[0].connections == 0)

        uvloop.run(run())

    def test_a_tunnel_in_which_nothing_comes(self, tmp_path: Path) -> None:
        async def run() -> None:
            listener = {"address": "127.0.0.1:0", "tunnel_timeout": "100ms"}
            async with through(tmp_path, Origin(TO_ECHO, echo), listeners=[listener]) as proxy:
                heard = told(proxy)
                reader, writer, _ = await opened(proxy, ECHO)
                await cut(reader)
                await until(lambda: bool(heard))
                assert heard[0][0].exchange.failure == (
                    "connection_read_timeout",
                    "nothing came through the tunnel for 0.1 s",
                )
                assert not heard[0][3]
                writer.close()

        uvloop.run(run())

    def test_they_do_not_use_up_the_connections_of_an_upstream(self, tmp_path: Path) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    writer.write(TO_ECHO if b"echo/1" in head else OK)
                    if b"echo/1" in head:
                        await echo(reader, writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                writer.close()

        async def run() -> None:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            upstream = {"endpoints": [f"http://127.0.0.1:{port}"], "max_connections": 1, "max_waiting": 1}
            async with site(tmp_path, b"", upstreams={"origin": upstream}) as proxy:
                tunnels = [await opened(proxy, ECHO) for _ in range(3)]
                assert (await proxy.get("/")).body == b"ok"
                for reader, writer, _ in tunnels:
                    writer.write(b"still there")
                    assert await reader.readexactly(11) == b"still there"
                    writer.close()
            server.close()

        uvloop.run(run())

    def test_a_drain_waits_for_them_and_then_ends_them(self, tmp_path: Path) -> None:
        async def run() -> None:
            async with through(tmp_path, Origin(TO_ECHO, echo)) as proxy:
                reader, writer, _ = await opened(proxy, ECHO)
                draining = asyncio.create_task(proxy.server.listeners[0].drain(PATIENCE))
                await asyncio.sleep(0.05)
                writer.write(b"still there")
                assert await reader.readexactly(11) == b"still there"
                assert not draining.done()
                draining.cancel()
                await asyncio.wait_for(proxy.server.listeners[0].drain(0.01), PATIENCE)
                await cut(reader)
                writer.close()

        uvloop.run(run())

    def test_a_websocket_whose_server_ends_it(self, tmp_path: Path) -> None:
        async def leave(connection: ServerConnection) -> None:
            await connection.close(1001, "going")

        async def run() -> None:
            async with serve_websockets(leave, "127.0.0.1", 0) as origin:
                upstreams = {"origin": {"endpoints": [f"http://127.0.0.1:{origin.sockets[0].getsockname()[1]}"]}}
                async with site(tmp_path, b"", upstreams=upstreams) as proxy:
                    async with connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None) as client:
                        with pytest.raises(ConnectionClosed):
                            await client.recv()
                    assert client.close_code == 1001

        uvloop.run(run())


class TestNoTunnels:
    """What only looks like an upgrade. The proxy must not believe in a tunnel that the origin does not believe in."""

    @pytest.mark.parametrize(
        "lines",
        [
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
            b"Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n",
            b"Connection: upgrade\r\nUpgrade: echo/1, h2c\r\n",
            b"Connection: upgrade\r\nUpgrade: echo/1\r\nUpgrade: h2c\r\n",
            b"Upgrade: echo/1\r\n",
            b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n",
            b"Connection: upgrade\r\nUpgrade: echo/1\r\nContent-Length: 1\r\n",
        ],
    )
    def test_an_ordinary_request(self, tmp_path: Path, lines: bytes) -> None:
        async def run() -> None:
            origin = Origin(OK)
            async with through(tmp_path, origin) as proxy:
                asked = b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n" + (b"x" if b"Length" in lines else b"")
                answer = await proxy.raw(asked + b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert answer.count(b"HTTP/1.1 200 ") == 2
            assert b"upgrade" not in origin.heads[0].lower()
            assert [head.split()[1] for head in origin.heads][-1] == b"/next"

        uvloop.run(run())

    @pytest.mark.parametrize("asked", [b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", HANDSHAKE])
    @pytest.mark.parametrize(
        "answer",
        [
            TO_ECHO,
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
            SWITCHING.replace(ACCEPT.encode(), KEY.encode()),
            SWITCHING.replace(b"websocket", b"h2c"),
            SWITCHING.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\nhello"),
        ],
    )
    def test_an_origin_that_switches_to_what_it_was_not_asked_for(
        self, tmp_path: Path, asked: bytes, answer: bytes
    ) -> None:
        async def run() -> None:
            origin = Origin(answer + b"GET /smuggled", echo)
            async with through(tmp_path, origin) as proxy:
                _, writer, head = await opened(proxy, asked)
                assert head.startswith(b"HTTP/1.1 502 ")
                assert b"http_protocol_error" in head
                writer.close()

        uvloop.run(run())

    @pytest.mark.parametrize(
        "answer", [OK, b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"]
    )
    def test_an_origin_that_does_not_switch(self, tmp_path: Path, answer: bytes) -> None:
        """What the client sent behind its request is then another one, and is read as such by us."""

        async def run() -> None:
            origin = Origin(answer)
            async with through(tmp_path, origin) as proxy:
                bad = b"GET /bad HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                received = await proxy.raw(HANDSHAKE + HANDSHAKE.replace(b"/chat", b"/again") + bad)
            assert received.count(answer.split(b"\r\n")[0]) == 2
            assert b"HTTP/1.1 400 " in received
            assert [head.split()[1] for head in origin.heads] == [b"/chat", b"/again"]
            assert origin.connections == 1

        uvloop.run(run())
