"""A tunnel: what a client and an origin say to each other once they have agreed on another protocol than HTTP.

Bytes are passed on as they are. Who sends faster than the other side takes is not read from; who has no more to say
still hears; and when one connection is lost the other is closed, after what was passed to it.
"""

from __future__ import annotations

import asyncio
from typing import cast

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.upgrade import Offer


class Switch:
    """What a request asks to be switched to, for whoever forwards it. Copies of the request share it.

    origin: the origin's end of the tunnel, once it has answered 101.
    """

    __slots__ = ("offer", "origin")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self.origin: End | None = None


class End(asyncio.Protocol):
    """One side of a tunnel: takes a transport over from the connection that it was, and does not read from it before it
    is part of a tunnel.

    received: bytes. full: this side takes less than it is sent. ended: it sends no more. error: why it was lost.
    """

    def __init__(self, transport: asyncio.Transport, early: bytes, *, reading: bool = True, full: bool = False) -> None:
        """early: what came after the end of HTTP and was read already. reading, full: how it is with the transport."""
        self._transport = transport
        self._early = early
        self._reading = reading
        self._other: End | None = None
        self._over: asyncio.Event | None = None
        self._closing = False
        self.received = 0
        self.full = full
        self.ended = False
        self.lost = False
        self.error: Exception | None = None
        self._set_reading(False)
        transport.set_protocol(self)

    def join(self, other: End, over: asyncio.Event) -> None:
        """Pass what comes to the other end. over: set when this end and the other are lost."""
        self._other, self._over = other, over
        if self._early:
            self._pass(self._early)
            self._early = b""
        if self.ended:
            other._say_end()
        if self.lost:
            self.connection_lost(self.error)
        else:
            self._set_reading(not other.full)

    @property
    def unsent(self) -> int:
        """Bytes that this side has not taken."""
        return 0 if self.lost else self._transport.get_write_buffer_size()

    def close(self) -> None:
        """When it has taken what was written."""
        if not self._closing:
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        self._closing = True
        if not self.lost:
            self._transport.abort()

    # What the transport calls.

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early += data
        else:
            self._pass(data)

    def eof_received(self) -> bool:
        self.ended = True
        if self._other is not None:
            self._other._say_end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = self._closing = True
        self.error = exc
        if self._other is not None:
            self._other.close()
            if self._other.lost:
                cast(asyncio.Event, self._over).set()

    def pause_writing(self) -> None:
        self.full = True
        if self._other is not None:
            self._other._set_reading(False)

    def resume_writing(self) -> None:
        self.full = False
        if self._other is not None:
            self._other._set_reading(True)

    # What the other end calls.

    def _pass(self, data: bytes) -> None:
        self.received += len(data)
        other = cast(End, self._other)
        if not other._closing:
            other._transport.write(data)

    def _say_end(self) -> None:
        """The other side has no more to say."""
        if self.ended:
            self.close()
            cast(End, self._other).close()
        elif not self._closing and not self._transport.is_closing():
            self._transport.write_eof()

    def _set_reading(self, reading: bool) -> None:
        if reading == self._reading or self._closing or self._transport.is_closing():
            return
        self._reading = reading
        if reading:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


class Tunnel:
    """Two ends, joined by `run`."""

    def __init__(self, client: End, origin: End) -> None:
        self._client = client
        self._origin = origin
        self._seen = (0, 0, 0, 0)
        self._since: float | None = None
        self._failure: ProxyError | None = None

    @property
    def sent(self) -> int:
        """Bytes that came for the client."""
        return self._origin.received

    @property
    def broken(self) -> bool:
        """The client's connection did not end in order."""
        return self._client.error is not None

    async def run(self) -> None:
        """Until both connections are closed. ProxyError when the origin's broke, or nothing came for too long;
        cancelling closes both."""
        over = asyncio.Event()
        self._client.join(self._origin, over)
        self._origin.join(self._client, over)
        try:
            await over.wait()
        finally:
            self.abort()
        if self._failure is None and self._origin.error is not None:
            detail = f"the origin's end of the tunnel broke: {self._origin.error}"
            self._failure = ProxyError(errors.CONNECTION_TERMINATED, detail)
        if self._failure is not None:
            raise self._failure

    def abort(self) -> None:
        self._client.abort()
        self._origin.abort()

    def check(self, now: float, idle: float, write: float) -> None:
        """Called now and then: end it when nothing has moved for so many seconds. write: the same for a side that takes
        nothing while the other is gone."""
        client, origin = self._client, self._origin
        seen = (client.received, origin.received, client.unsent, origin.unsent)
        if seen != self._seen or self._since is None:
            self._seen, self._since = seen, now
        elif now - self._since > (write if client.lost or origin.lost else idle):
            self._failure = ProxyError(
                errors.CONNECTION_READ_TIMEOUT, f"nothing came through the tunnel for {idle:g} s"
            )
            self.abort()
