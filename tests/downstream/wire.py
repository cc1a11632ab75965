"""A connection without a network: bytes in, bytes out, and a clock that stands still."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from proxy.downstream import Clock, DownstreamConnection, Limits, Listener, Service, Timeouts
from proxy.exchange import Request, Response
from proxy.http.fields import Fields

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

DATE = b"date: Thu, 01 Jan 1970 00:16:40 GMT\r\n"


class Recorder(asyncio.Transport):
    """Takes every write, and says what was done with it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 4711), "sockname": ("127.0.0.1", 8080), "socket": self})
        self.writes: list[bytes] = []
        self.unsent = 0
        self.reading = True
        self.half_closed = False
        self.closed = False
        self.aborted = False
        self.resets = False
        """The end of the connection would be a reset."""
        self.protocol: asyncio.Protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.half_closed, "a write after the end"
        if not self.closed:
            self.writes.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        assert (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER)
        self.resets = value != bytes(8)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading
        self.reading = True


class Outcome(NamedTuple):
    """How an exchange ended, as `on_done` is told."""

    sent: int
    complete: bool
    duration: float


class Wire:
    """A client's end of a DownstreamConnection."""

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits | None = None,
        timeouts: Timeouts | None = None,
        most: int = 10,
        max_exchanges: int | None = None,
    ) -> None:
        self.now = 1000.0
        self.done: list[tuple[Request, Response, Outcome]] = []
        clock = Clock(monotonic=lambda: self.now, wall=lambda: self.now)
        self.service = Service(
            handler,
            lambda request, response, *outcome: self.done.append((request, response, Outcome(*outcome))),
            limits or Limits(),
            timeouts or Timeouts(),
            most,
            max_exchanges=max_exchanges,
            clock=clock,
        )
        self.listener = Listener(self.service)
        self.transport, self.connection = self.connect()

    def connect(self) -> tuple[Recorder, DownstreamConnection]:
        transport = Recorder()
        connection = self.listener.connection()
        assert isinstance(connection, DownstreamConnection)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        return transport, connection

    def send(self, data: bytes) -> None:
        self.transport.protocol.data_received(data)

    def received(self) -> bytes:
        """All that was written since it was last asked for, without the Date lines."""
        data = b"".join(self.transport.writes).replace(DATE, b"")
        self.transport.writes.clear()
        return data

    def exchange(self, data: bytes) -> bytes:
        """What is answered at once."""
        self.send(data)
        return self.received()

    def wait(self, seconds: float) -> None:
        """Time passes, and somebody looks."""
        self.now += seconds
        self.listener.sweep()


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def hello(request: Request) -> Response:
    return Response(200, Fields([(b"x-path", request.target.encode())]), b"hello")


class Script:
    """A response body that says these pieces, one a read, and remembers to have been closed."""

    def __init__(self, *pieces: bytes | Exception, length: int | None = None, trailers: Fields | None = None) -> None:
        self.pieces = list(pieces)
        self.length = length
        self.trailers = trailers
        self.closed = False

    async def read(self) -> bytes:
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.closed = True
