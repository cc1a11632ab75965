"""Peers on the loopback, and a guest of Rust's that is granted some of them."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import tests.listening
from proxy import wasi
from proxy.component import decode
from proxy.config.sockets import Sockets
from proxy.exchange import Body, Exchange, Request, Response, collect
from proxy.http.fields import Fields
from proxy.sandbox import Limits
from proxy.stages.handle import Handle
from proxy.telemetry import FilterTally
from proxy.upstream.dns import Resolver
from proxy.wasi.http import Outgoing
from proxy.wasi.p3 import handler_interfaces
from proxy.wasi.p3.http import Handler
from proxy.wasi.sockets import Network
from tests.integration.site import engine
from tests.listening import Talk

GUEST = Path(__file__).parents[1] / "guests" / "built" / "sockets.wasm"
LIMITS = Limits(memory=32 << 20, time=0.5)


def listening(talk: Talk, host: str = "127.0.0.1") -> AbstractAsyncContextManager[int]:
    """A TCP server; its port."""

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)

    return tests.listening.listening(talked, host, limit=1 << 20)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads a little, and closes with RST."""
    await reader.read(1)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Datagrams(asyncio.DatagramProtocol):
    """Sends back what comes, `copies` times."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self._answer = answer

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        for each in self._answer(data):
            self._transport.sendto(each, address)


@asynccontextmanager
async def answering(answer: Callable[[bytes], list[bytes]]) -> AsyncIterator[int]:
    """A UDP server; its port."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(answer), local_addr=("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


@cache
def linked(total: float, reuse: int) -> tuple[Network, Handler]:
    """The guest, and the network that it reaches."""
    network = Network([], Resolver())
    imports = wasi.service_interfaces({}, (), network) | handler_interfaces({}, (), network)
    return network, Handler(decode(GUEST.read_bytes()), engine(), imports, LIMITS, total, reuse=reuse)


class Guest:
    """The guest behind the stage that runs it, one at a time: it is linked once, and granted anew."""

    def __init__(self, resolver: Resolver | None = None, total: float = 30.0, reuse: int = 1, **granted: Any) -> None:
        self.network, self.handler = linked(total, reuse)
        self.network.__init__([Sockets.model_validate(granted)], resolver or Resolver())  # type: ignore[misc]
        tally = FilterTally("sockets")
        self._stage = Handle("sockets", self.handler, Outgoing([]), tally, passes=False, fail_open=False)

    async def ask(self, target: str, body: Body = b"") -> Response:
        path, mark, query = target.partition("?")
        request = Request("POST", "http", "site.example", path, query if mark else None, Fields(), Exchange("id"), body)
        return await self._stage(request, None)  # type: ignore[arg-type]

    async def text(self, target: str, body: Body = b"") -> str:
        response = await self.ask(target, body)
        return (await collect(response.body, 1 << 26)).decode()


def asked(target: str, body: Body = b"", **granted: Any) -> str:
    """What the guest answers."""

    async def asking() -> str:
        guest = Guest(**granted)
        answer = await guest.text(target, body)
        await guest.handler.rest()
        assert guest.network.open == 0
        return answer

    return asyncio.run(asking())
