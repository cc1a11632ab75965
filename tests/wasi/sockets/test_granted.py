"""A guest of Rust's and its peers: what it is granted. What is below /std are sockets of 0.2, by the standard
library; the others are of 0.3."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy.exchange import collect
from tests.integration.test_ipv6 import has_ipv6
from tests.patience import PATIENCE
from tests.ports import free_port
from tests.wasi.sockets.peers import Guest, answering, asked, echo, listening, swallow


@pytest.mark.parametrize("path", ["/pipe", "/copy", "/std/tcp"])
def test_bytes_there_and_back(path: str) -> None:
    content = b"0123456789abcdef" * 65536 if path != "/std/tcp" else b"0123456789abcdef" * 1000

    async def asking() -> None:
        async with listening(echo) as port:
            guest = Guest(tcp=[f"127.0.0.1:{port}"])
            response = await guest.ask(f"{path}?127.0.0.1:{port}", content)
            back = await collect(response.body, 1 << 22)
            assert back == content + b" sent Ok(()) received Ok(())" * (path == "/copy")
            await guest.handler.rest()
            assert guest.network.open == 0

    asyncio.run(asking())


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6() -> None:
    async def asking() -> None:
        async with listening(echo, "::1") as port:
            guest = Guest(tcp=[f"[::1]:{port}"])
            assert await guest.text(f"/pipe?[::1]:{port}", b"six") == "six"
            assert await guest.text(f"/std/tcp?[::1]:{port}", b"six") == "six"

    asyncio.run(asking())


def test_by_name() -> None:
    async def asking() -> None:
        async with listening(echo) as port:
            guest = Guest(tcp=[f"localhost:{port}"])
            assert await guest.text(f"/named?localhost:{port}", b"by name") == "by name"
            assert await guest.text(f"/std/tcp?localhost:{port}", b"by name") == "by name"
            for path in ("/resolve", "/std/resolve"):
                assert "127.0.0.1" in (await guest.text(f"{path}?localhost")).split()

    asyncio.run(asking())


def test_what_is_sent_arrives_though_nobody_waits_for_it() -> None:
    """The future of `send` is dropped at once, and the guest ends when the host has taken the last piece."""

    async def asking() -> None:
        heard = asyncio.get_running_loop().create_future()

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            heard.set_result(await reader.read())
            writer.close()

        async with listening(hear) as port:
            guest = Guest(tcp=[f"127.0.0.1:{port}"])
            assert await guest.text(f"/forget?127.0.0.1:{port}", b"line\n" * 20_000) == "sent"
            assert await asyncio.wait_for(heard, PATIENCE) == b"line\n" * 20_000
            await guest.handler.rest()

    asyncio.run(asking())


def test_datagrams() -> None:
    async def asking() -> None:
        async with answering(lambda data: [data.upper()]) as port:
            guest = Guest(udp=[f"127.0.0.1:{port}"])
            assert await guest.text(f"/udp?127.0.0.1:{port}", b"datagram") == "DATAGRAM"
            assert await guest.text(f"/std/udp?127.0.0.1:{port}", b"datagram") == f"DATAGRAMMORE from {port}"
            assert await guest.text(f"/udp?127.0.0.1:{port}", b"x" * 65508) == "error DatagramTooLarge"

    asyncio.run(asking())


def test_peers_of_one_udp_socket() -> None:
    """Each is heard alone, the port stays the same, and in the end there is none."""

    async def asking() -> None:
        async with answering(lambda data: [b"one"]) as one, answering(lambda data: [b"other"]) as other:
            guest = Guest(udp=[f"127.0.0.1:{one}", f"127.0.0.1:{other}"])
            assert (await guest.text(f"/udp-peers?127.0.0.1:{one}&127.0.0.1:{other}")).split() == [
                "one", "other", "InvalidArgument", "InvalidArgument", "InvalidState", "one", "true",
            ]  # fmt: skip
            await guest.handler.rest()
            assert guest.network.open == 0

    asyncio.run(asking())


def test_nobody_is_there_for_datagrams() -> None:
    async def asking() -> None:
        nobody = free_port()
        async with answering(lambda data: [b"one"]) as one:
            guest = Guest(udp=[f"127.0.0.1:{one}", f"127.0.0.1:{nobody}"])
            said = await guest.text(f"/udp-peers?127.0.0.1:{one}&127.0.0.1:{nobody}")
            assert said.split()[:2] == ["one", "ConnectionRefused"]

    asyncio.run(asking())


def test_a_connection_is_closed_though_its_instance_goes_on() -> None:
    async def asking() -> None:
        over = asyncio.Event()

        async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            over.set()

        async with listening(hear) as port:
            guest = Guest(reuse=2, tcp=[f"127.0.0.1:{port}"])
            assert await guest.text(f"/keep?127.0.0.1:{port}") == "kept"
            await asyncio.wait_for(over.wait(), PATIENCE)
            assert guest.network.open == 0
            assert await guest.text(f"/keep?127.0.0.1:{port}") == "Some(InvalidState)"
            await guest.handler.rest()

    asyncio.run(asking())


def test_a_guest_that_listens() -> None:
    async def asking() -> None:
        guest = Guest(listen_tcp=["127.0.0.1:0"])
        response = await guest.ask("/listen?127.0.0.1:0")
        assert not isinstance(response.body, bytes)
        port = int(await response.body.read())
        for name in (b"one", b"two"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(name)
            writer.write_eof()
            assert await reader.read() == b"hello " + name
            writer.close()
        assert await response.body.read() == b"done"
        assert await response.body.read() == b""
        await guest.handler.rest()
        assert guest.network.open == 0

    asyncio.run(asking())


def test_a_guest_that_listens_by_the_standard_library() -> None:
    granted: dict[str, Any] = {"tcp": ["127.0.0.1:1024-65535"], "listen_tcp": ["127.0.0.1:0"]}
    assert asked("/std/listen?127.0.0.1:0", **granted) == "through"


def test_states() -> None:
    async def asking() -> None:
        async with listening(swallow) as port:
            guest = Guest(tcp=[f"127.0.0.1:{port}"], udp=["127.0.0.1:9"])
            assert (await guest.text(f"/states?127.0.0.1:{port}")).split() == [
                "InvalidState", "InvalidState", "true", "InvalidState", "InvalidState", "InvalidState", "false",
                "InvalidState", "InvalidState", "InvalidArgument",
            ]  # fmt: skip

    asyncio.run(asking())


@pytest.mark.parametrize("family", ["0.0.0.0:0", "[::]:0"])
def test_options(family: str) -> None:
    """Seconds are whole ones, a count has a limit of the system's, and buffers one of ours."""
    if family.startswith("[") and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    said = asked(f"/options?{family}", tcp=["127.0.0.1:80"])
    assert said == "true 8000000000 1000000000 127 9 50000 true InvalidArgument"
