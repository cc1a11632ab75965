"""A guest of Rust's and its peers: what it is refused, and what would be too much. What is below /std are sockets of
0.2, by the standard library; the others are of 0.3."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

import pytest

from proxy.errors import ProxyError
from proxy.upstream.dns import Resolver
from proxy.wasi.sockets import network, tcp
from tests.compiled import cause
from tests.integration.test_ipv6 import has_ipv6
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.upstream.name_server import name_server
from tests.wasi.sockets.peers import Guest, answering, asked, echo, listening, reset

DENIED = "error AccessDenied"
DENIED2 = "error PermissionDenied"


# What is refused.


@pytest.mark.parametrize(
    "target",
    ["/pipe?127.0.0.1:80", "/udp?127.0.0.1:80", "/resolve?localhost", "/listen?127.0.0.1:0", "/options?0.0.0.0:0"],
)
def test_nothing_is_granted_by_default(target: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert asked(target) == DENIED
    assert "is not granted" in caplog.text


@pytest.mark.parametrize(
    "target", ["/std/tcp?127.0.0.1:80", "/std/udp?127.0.0.1:80", "/std/resolve?localhost", "/std/listen?127.0.0.1:0"]
)
def test_nor_by_the_standard_library(target: str) -> None:
    assert asked(target).startswith(DENIED2)


def test_another_address_or_port_than_was_granted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def asking() -> None:
        async with listening(echo) as port, listening(echo) as other, answering(lambda data: [data]) as datagrams:
            guest = Guest(tcp=[f"127.0.0.1:{port}"], udp=[f"127.0.0.1:{port}"])
            for path in ("/pipe", "/std/tcp"):
                assert "Denied" in await guest.text(f"{path}?127.0.0.1:{other}", b"x")
                assert "Denied" in await guest.text(f"{path}?127.0.0.2:{port}", b"x")
            for path in ("/udp", "/std/udp"):
                assert "Denied" in await guest.text(f"{path}?127.0.0.1:{datagrams}", b"x")
            assert f"wasi:sockets: 127.0.0.1:{other} over TCP is not granted" in caplog.text
            assert f"wasi:sockets: 127.0.0.1:{datagrams} over UDP is not granted" in caplog.text

    asyncio.run(asking())


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
@pytest.mark.parametrize("granted", ["127.0.0.1", "[::/0]", "[::ffff:127.0.0.1]"])
def test_ipv4_in_ipv6_is_no_way_around(granted: str) -> None:
    async def asking() -> None:
        async with listening(echo) as port:
            guest = Guest(tcp=[f"{granted}:{port}"], udp=[f"{granted}:{port}"])
            for address in ("::ffff:127.0.0.1", "::ffff:7f00:1"):
                assert await guest.text(f"/pipe?[{address}]:{port}") == "error InvalidArgument"
                assert await guest.text(f"/udp?[{address}]:{port}") == "error InvalidArgument"
                assert (await guest.text(f"/std/tcp?[{address}]:{port}")).startswith("error InvalidInput")
            for address in ("64:ff9b::7f00:1", "2002:7f00:1::1"):
                assert await guest.text(f"/pipe?[{address}]:{port}") == DENIED

    asyncio.run(asking())


@pytest.mark.parametrize("address", ["0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "127.0.0.1:0"])
def test_what_is_no_peer_of_tcp(address: str) -> None:
    assert asked(f"/pipe?{address}", tcp=["127.0.0.1:80"]) == "error InvalidArgument"


def test_a_name_that_turns_out_to_be_a_private_address() -> None:
    """DNS rebinding: neither is the address told, nor is it connected to, whatever else the name is."""

    async def asking() -> None:
        async with listening(echo) as port, name_server() as server:
            server.addresses = {"bad.example": ["127.0.0.1", "::1"], "both.example": ["127.0.0.1", "93.184.216.34"]}
            resolver = Resolver([server.where])
            guest = Guest(resolver, tcp=[f"bad.example:{port}", f"both.example:{port}"])
            assert await guest.text("/resolve?bad.example") == DENIED
            assert await guest.text(f"/named?bad.example:{port}") == DENIED
            assert (await guest.text(f"/std/tcp?bad.example:{port}")).startswith("error")
            assert await guest.text("/resolve?both.example") == "93.184.216.34"
            assert await guest.text(f"/pipe?127.0.0.1:{port}") == DENIED
            meant = Guest(resolver, tcp=[f"bad.example:{port}", "127.0.0.0/8:1-65535"])
            assert await meant.text(f"/named?bad.example:{port}", b"meant") == "meant"
            resolver.close()

    asyncio.run(asking())


def test_names_that_are_not_granted_are_not_looked_up() -> None:
    async def asking() -> None:
        async with name_server() as server:
            server.addresses = {"a.example": ["93.184.216.34"], "secret.a.example": ["93.184.216.34"]}
            resolver = Resolver([server.where])
            guest = Guest(resolver, tcp=["a.example:80"])
            for path in ("/resolve", "/std/resolve"):
                assert "93" not in await guest.text(f"{path}?secret.a.example")
            assert server.asked == []
            assert await guest.text("/resolve?A.Example.") == "93.184.216.34"
            assert await guest.text("/resolve?a%20b") == "error InvalidArgument"
            assert await guest.text("/resolve?10.1.2.3") == "10.1.2.3"
            resolver.close()

    asyncio.run(asking())


def test_look_ups_that_fail() -> None:
    async def asking() -> None:
        async with name_server() as server:
            resolver = Resolver([server.where])
            guest = Guest(resolver, tcp=["a.example:80"])
            assert await guest.text("/resolve?a.example") == "error NameUnresolvable"
            resolver.close()

    asyncio.run(asking())


def test_an_address_of_a_name_that_was_not_looked_up() -> None:
    """Only then is it known to be one."""

    async def asking() -> None:
        async with listening(echo) as port, listening(echo) as other:
            guest = Guest(tcp=[f"localhost:{port}"])
            assert await guest.text(f"/pipe?127.0.0.1:{port}") == DENIED
            assert await guest.text(f"/named?localhost:{other}") == DENIED
            assert await guest.text(f"/named?localhost:{port}", b"found") == "found"
            assert await guest.text(f"/pipe?127.0.0.1:{port}") == DENIED

    asyncio.run(asking())


def test_listening_is_a_grant_of_its_own() -> None:
    port = free_port()
    assert asked("/listen?127.0.0.1:0", tcp=["127.0.0.0/8:1-65535"]) == DENIED
    assert asked("/listen?0.0.0.0:0", tcp=["127.0.0.0/8:1-65535"], listen_tcp=["127.0.0.1:0"]) == DENIED
    assert asked(f"/listen?127.0.0.1:{port}", listen_tcp=["127.0.0.1:0"]) == DENIED


# What is too much.


def test_as_many_sockets_as_there_may_be() -> None:
    async def asking() -> None:
        async with listening(echo) as port:
            guest = Guest(tcp=[f"127.0.0.1:{port}"])
            assert await guest.text("/many") == f'{network.MAX_SOCKETS} Other(Some("too many sockets"))'
            assert (await guest.text(f"/std/many?127.0.0.1:{port}")).startswith(f"{network.MAX_SOCKETS} ")
            assert await guest.text(f"/again?127.0.0.1:{port}") == (
                f'{network.MAX_MADE} Other(Some("too many sockets"))'
            )
            await guest.handler.rest()
            assert guest.network.open == 0

    asyncio.run(asking())


@pytest.mark.parametrize("what", ["127.0.0.1", "other.example", "receive", "connect"])
def test_a_guest_that_asks_without_end(what: str) -> None:
    """Nothing of it is new from outside, so its time is over once."""

    async def asking() -> None:
        guest = Guest(total=2 * PATIENCE, tcp=["127.0.0.1:80"], udp=["127.0.0.1:80"])
        with pytest.raises(ProxyError, match="sockets failed") as caught:
            await asyncio.wait_for(guest.text(f"/spin?{what}"), PATIENCE)
        assert "time limit" in str(cause(caught.value))

    asyncio.run(asking())


def test_a_guest_that_keeps_all_who_connect() -> None:
    """It has as many as it may have, the one that listens among them; who comes then is closed at once."""

    async def asking() -> None:
        guest = Guest(listen_tcp=["127.0.0.1:0"])
        response = await guest.ask("/hoard?127.0.0.1:0")
        assert not isinstance(response.body, bytes)
        port = int(await response.body.read())
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(network.MAX_SOCKETS - 1)]
        while guest.network.open < network.MAX_SOCKETS:  # noqa: ASYNC110
            await asyncio.sleep(0)
        reader, late = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        late.close()
        kept[0][1].write_eof()
        assert await response.body.read() == b""
        await guest.handler.rest()
        assert guest.network.open == 0
        for reader, writer in kept:
            assert await reader.read() == b""
            writer.close()

    asyncio.run(asking())


def test_all_exchanges_together_leave_descriptors_for_others() -> None:
    with patch.object(resource, "getrlimit", return_value=(40, 40)):
        assert asked("/many", tcp=["127.0.0.1:80"]) == '10 Other(Some("too many sockets"))'
    assert network.Network.open_in_all == 0


@contextmanager
def no_descriptors() -> Iterator[None]:
    """The process can open nothing more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))) + 1, hard))
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        for each in taken:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_who_connects_when_there_are_no_descriptors_waits() -> None:
    async def asking() -> None:
        guest = Guest(listen_tcp=["127.0.0.1:0"])
        response = await guest.ask("/listen?127.0.0.1:0")
        assert not isinstance(response.body, bytes)
        port = int(await response.body.read())
        loop, tried = asyncio.get_running_loop(), asyncio.Event()
        accept = tcp.Tcp.accept

        def accepting(self: tcp.Tcp) -> tcp.Tcp | None:
            try:
                return accept(self)
            except OSError:
                tried.set()
                raise

        with socket.socket() as client, socket.socket() as second:
            for each in (client, second):
                each.setblocking(False)
            with patch.object(tcp.Tcp, "accept", accepting), no_descriptors():
                await loop.sock_connect(client, ("127.0.0.1", port))
                await asyncio.wait_for(tried.wait(), PATIENCE)
            await loop.sock_connect(second, ("127.0.0.1", port))
            for each, name in ((client, b"one"), (second, b"two")):
                await loop.sock_sendall(each, name)
                each.shutdown(socket.SHUT_WR)
                assert await loop.sock_recv(each, 100) == b"hello " + name
        assert await response.body.read() == b"done"
        assert await response.body.read() == b""
        await guest.handler.rest()

    asyncio.run(asking())


def test_a_guest_that_never_reads_holds_the_peer() -> None:
    async def asking() -> None:
        sent = 0
        over = asyncio.Event()

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            writer.transport.set_write_buffer_limits(0)
            try:
                while True:
                    writer.write(bytes(65536))
                    await writer.drain()
                    sent += 65536
                    moved.set()
            except ConnectionError:
                over.set()

        moved = asyncio.Event()
        async with listening(pour) as port:
            guest = Guest(tcp=[f"127.0.0.1:{port}"])
            exchange = asyncio.create_task(guest.text(f"/hold?127.0.0.1:{port}"))
            while True:  # until it stands still
                moved.clear()
                try:
                    await asyncio.wait_for(moved.wait(), 0.1)
                except TimeoutError:
                    break
            assert sent < 16 << 20
            exchange.cancel()
            await asyncio.wait_for(over.wait(), PATIENCE)  # the socket is closed with the exchange
            await guest.handler.rest()
            assert guest.network.open == 0

    asyncio.run(asking())


def test_a_peer_that_never_reads_holds_the_guest() -> None:
    async def asking() -> None:
        connected = asyncio.Event()

        async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            connected.set()
            await asyncio.sleep(60)

        async with listening(deaf) as port:
            guest = Guest(total=1.0, tcp=[f"127.0.0.1:{port}"])
            with patch.object(network, "GRACE", 0.01), pytest.raises(ProxyError):
                await guest.text(f"/flood?127.0.0.1:{port}")
            assert connected.is_set()
            closed = asyncio.Event()
            left = guest.network.leave

            def leaving() -> None:
                left()
                closed.set()

            with patch.object(guest.network, "leave", leaving):
                if guest.network.open:  # what was on its way has its grace
                    await asyncio.wait_for(closed.wait(), PATIENCE)

    asyncio.run(asking())


def test_a_peer_that_does_not_answer() -> None:
    """A queue of connections that is full: the system answers no more."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        with patch.object(tcp, "CONNECT_PATIENCE", 0.05):
            assert asked(f"/pipe?127.0.0.1:{port}", tcp=[f"127.0.0.1:{port}"]) == "error Timeout"
            assert asked(f"/std/tcp?127.0.0.1:{port}", tcp=[f"127.0.0.1:{port}"]).startswith("error TimedOut")


def test_nobody_is_there() -> None:
    port = free_port()
    granted: dict[str, Any] = {"tcp": [f"127.0.0.1:{port}"]}
    assert asked(f"/pipe?127.0.0.1:{port}", **granted) == "error ConnectionRefused"
    assert asked(f"/std/tcp?127.0.0.1:{port}", **granted).startswith("error ConnectionRefused")


def test_a_peer_that_resets() -> None:
    async def asking() -> None:
        async with listening(reset) as port:
            guest = Guest(tcp=[f"127.0.0.1:{port}"])
            copied = await guest.text(f"/copy?127.0.0.1:{port}", b"x" * 10)
            assert copied == " sent Ok(()) received Err(ConnectionReset)"
            flooded = await guest.text(f"/flood?127.0.0.1:{port}")
            assert flooded.split()[0] in ("ConnectionReset", "ConnectionBroken")
            # wasi-libc says EIO, whatever it was.
            assert (await guest.text(f"/std/tcp?127.0.0.1:{port}", b"x" * 10)).startswith("error")

    asyncio.run(asking())


def test_datagrams_of_others_are_not_heard() -> None:
    async def asking() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            heard: list[bytes] = []

            class Peer(asyncio.DatagramProtocol):
                def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
                    self._transport = transport

                def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
                    heard.append(data)
                    for _ in range(100):
                        other.sendto(b"forged", address)
                    self._transport.sendto(b"meant", address)

            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
            port = transport.get_extra_info("sockname")[1]
            assert await Guest(udp=[f"127.0.0.1:{port}"]).text(f"/udp?127.0.0.1:{port}", b"asked") == "meant"
            assert heard == [b"asked"]
            transport.close()

    asyncio.run(asking())
