"""An origin that does what a test says, on a free port, and requests to send to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from socket import SO_LINGER, SOL_SOCKET
from struct import pack
from typing import Any

import uvloop

from proxy.exchange import Exchange, Request
from proxy.exchange.body import Body
from proxy.http.fields import Fields, Line
from proxy.upstream import Endpoint, Limits, Upstream
from tests.listening import listening
from tests.patience import PATIENCE

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

PATIENT = Limits()
"""Times so long that in a test only `Upstream.sweep` at a later time ends anything."""


def run(test: Coroutine[Any, Any, None]) -> None:
    """On the event loop that the proxy runs on. Nothing here takes a second, if the machine has nothing else to do."""
    uvloop.run(asyncio.wait_for(test, PATIENCE))


def request(
    method: str = "GET",
    path: str = "/",
    lines: tuple[Line, ...] = (),
    body: Body = b"",
    exchange: Exchange | None = None,
) -> Request:
    return Request(method, "http", "a.example", path, None, Fields(lines), exchange or Exchange(), body)


class Peer:
    """The origin's end of one connection. number: the first one is 1. got: all bytes that came.
    asked: is set when the head of a request has come. over: is set when the script is over.
    stalls: nothing more is to come, as the script says."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.got = b""
        self.stalls = False
        self.asked = asyncio.Event()
        self.over = asyncio.Event()
        self._reader = reader
        self._writer = writer

    async def head(self) -> bytes:
        """The next request's, with the empty line."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        self.got += head
        self.asked.set()
        return head

    async def request(self) -> bytes:
        """The next one, with its body."""
        head = await self.head()
        if b"transfer-encoding: chunked" in head:
            body = await self._reader.readuntil(b"0\r\n\r\n")
        else:
            length = re.search(rb"content-length: ([0-9]+)", head)
            body = await self._reader.readexactly(int(length[1]) if length else 0)
        self.got += body
        return head + body

    async def read(self) -> bytes:
        """Whatever comes next; b"" at the end."""
        data = await self._reader.read(1 << 16)
        self.got += data
        return data

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def gone(self) -> None:
        """Until the proxy has closed this connection."""
        try:
            while await self.read():
                pass
        except ConnectionError:
            pass

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """End it with a TCP reset."""
        self._writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, pack("ii", 1, 0))
        self._writer.transport.abort()


Play = Callable[[Peer], Awaitable[None]]


def answering(*answers: bytes) -> Play:
    """One answer for each request, the last one again and again."""

    async def play(peer: Peer) -> None:
        for answer in answers[:-1]:
            await peer.request()
            await peer.send(answer)
        while True:
            await peer.request()
            await peer.send(answers[-1])

    return play


def answering_once(answer: bytes) -> Play:
    """One answer, and the end of the connection."""

    async def play(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    return play


class Scripted:
    """endpoint: where it listens. peers: of every connection there was."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.peers: list[Peer] = []
        self.endpoint = Endpoint("127.0.0.1", 0)
        self.failure: BaseException | None = None
        self._connected = asyncio.Condition()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(len(self.peers) + 1, reader, writer)
        async with self._connected:
            self.peers.append(peer)
            self._connected.notify_all()
        try:
            await self._play(peer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the proxy is done with it, or the test is
        except BaseException as error:
            self.failure = error
        finally:
            peer.close()
            peer.over.set()

    async def asked(self, number: int = 1) -> Peer:
        """The connection of that number, when a request has come on it."""
        async with self._connected:
            await self._connected.wait_for(lambda: len(self.peers) >= number)
        peer = self.peers[number - 1]
        await peer.asked.wait()
        return peer


@asynccontextmanager
async def scripted(play: Play, limits: Limits = PATIENT) -> AsyncIterator[tuple[Upstream, Scripted]]:
    """An origin, and an upstream of it."""
    origin = Scripted(play)
    async with listening(origin.serve) as port:
        origin.endpoint = Endpoint("127.0.0.1", port)
        upstream = Upstream("test", [origin.endpoint], limits)
        try:
            yield upstream, origin
        finally:
            upstream.close()
            await asyncio.sleep(0.01)  # the ends of the connections are told to both sides
    if origin.failure is not None:
        raise origin.failure
