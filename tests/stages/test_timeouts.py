"""What guests ask for in time (`request-options`): both of 0.2 and of 0.3, as their toolchains make them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing

import pytest

from proxy.exchange import collect
from proxy.upstream import Endpoint
from proxy.wasi.http import Outgoing
from tests.patience import PATIENCE
from tests.stages import test_handle, test_serve
from tests.wasi.sockets.peers import listening

HALF = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst"

Ask = Callable[[Outgoing, str, int], Awaitable[str]]


async def ask_middleware(client: Outgoing, how: str, port: int) -> str:
    asked = test_handle.request(f"/hurried?{how}@127.0.0.1:{port}/")
    response = await test_handle.stage(client)(asked, test_handle.Origin())
    return (await collect(response.body, 1 << 20)).decode()


async def ask_service(client: Outgoing, how: str, port: int) -> str:
    asked = test_serve.request(f"/hurried?{how}@http://127.0.0.1:{port}/")
    return await test_serve.text(await test_serve.ask(test_serve.stage("service", client), asked))


both = pytest.mark.parametrize("ask", [ask_middleware, ask_service])


@asynccontextmanager
async def saying(data: bytes, closed: list[asyncio.Event]) -> AsyncIterator[int]:
    """An origin that says this, and then nothing until its connection is closed. closed: of each that there was; on a
    busy machine the time may be over before there is one."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        closed.append(over := asyncio.Event())
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await reader.read()
        finally:
            over.set()

    async with listening(talk) as port:
        yield port


@both
@pytest.mark.parametrize(
    ("timeout", "said", "failure"),
    [
        ("first-byte:100", b"", "httpresponsetimeout"),
        ("between-bytes:20", HALF, "connectionreadtimeout"),
        ("between-bytes:20", HALF[:-5], "connectionreadtimeout"),
    ],
)
def test_an_origin_that_stands_still(ask: Ask, timeout: str, said: bytes, failure: str) -> None:
    async def asking() -> None:
        closed: list[asyncio.Event] = []
        async with saying(said, closed) as port:
            with closing(Outgoing([Endpoint("127.0.0.1", port)])) as client:
                said_by_guest = await ask(client, timeout, port)
                assert failure in said_by_guest.replace("_", "").lower()
                for each in closed:  # nobody goes on with what is left of it
                    await asyncio.wait_for(each.wait(), PATIENCE)

    asyncio.run(asking())


@both
def test_an_origin_that_cannot_be_connected_to(ask: Ask) -> None:
    async def asking() -> None:
        # Its queue of connections is full: the system answers no more.
        with socket.socket() as full, socket.socket() as first, socket.socket() as second:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            for each in (first, second):
                each.setblocking(False)
                each.connect_ex(full.getsockname())
            port = full.getsockname()[1]
            with closing(Outgoing([Endpoint("127.0.0.1", port)])) as client:
                assert "ConnectionTimeout" in await ask(client, "connect:20", port)

    asyncio.run(asking())


@both
@pytest.mark.parametrize("timeout", ["connect:20000", "first-byte:20000", "between-bytes:20000"])
def test_an_origin_that_is_in_time(ask: Ask, timeout: str) -> None:
    async def asking() -> None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HALF)
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(b" last")
            await reader.read()

        async with listening(talk) as port:
            with closing(Outgoing([Endpoint("127.0.0.1", port)])) as client:
                assert (await ask(client, timeout, port)).removesuffix(" Ok(())") == "first last"

    asyncio.run(asking())
