"""What a connection writes: small pieces together, and no more than the client takes."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import Final

_TOGETHER: Final = 64 * 1024
"""Bytes that are copied together to be one write."""

_RESETS, _ENDS = (struct.pack("ii", on, 0) for on in (1, 0))
"""How a socket that is closed ends its connection: SO_LINGER of socket(7), for no time at all, or not set."""


class Output:
    """The writing half of a transport.

    Small pieces are kept, to be one write: until `release`, for who has set `holding` and will call it; else until
    what runs now has come to rest. A write to a socket costs more than making a response.

    sent: bytes written; for its owner to reset. paused: the client takes less than we write.
    """

    __slots__ = ("_held", "_open", "_size", "_transport", "_waiter", "holding", "paused", "sent")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._open = True
        self._held: list[bytes] = []
        self._size = 0
        self.holding = False
        self._waiter: asyncio.Future[None] | None = None
        self.paused = False
        self.sent = 0

    def write(self, data: bytes) -> None:
        if not self._open:
            return
        self.sent += len(data)
        self._held.append(data)
        self._size += len(data)
        if self._size > _TOGETHER:
            self._flush()
        elif not self.holding:
            self.holding = True
            asyncio.get_running_loop().call_soon(self.release)

    def release(self) -> None:
        self.holding = False
        self._flush()

    def _flush(self) -> None:
        held = self._held
        if not held:
            return
        if self._size > _TOGETHER:
            for piece in held:
                self._transport.write(piece)
        else:
            self._transport.write(b"".join(held))
        held.clear()
        self._size = 0

    @property
    def waiting(self) -> int:
        """Bytes that the client has not taken."""
        return self._transport.get_write_buffer_size() + self._size

    def end_by_reset(self) -> None:
        """Until `end_in_order` the end of the connection is a reset, whatever brings it about; the kernel sees to that
        when this process is killed."""
        self._when_closed(_RESETS)

    async def end_in_order(self) -> None:
        """Once the kernel has everything that was written."""
        self._flush()
        self._transport.set_write_buffer_limits(0)
        await self.ready()
        self._when_closed(_ENDS)

    def _when_closed(self, linger: bytes) -> None:
        with suppress(OSError):  # it is closed already
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def close(self) -> None:
        """What is written from now on goes nowhere."""
        self._open = False
        self._held.clear()
        self._size = 0
        self.resume()

    def resume(self) -> None:
        self.paused = False
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def ready(self) -> None:
        """Wait until the client has taken most of what was written."""
        while self.paused:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
