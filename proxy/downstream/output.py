"""What a connection writes: small pieces together, and no more than the client takes."""

from __future__ import annotations

import asyncio

_TOGETHER = 64 * 1024
"""Bytes that are copied together to be one write."""


class Output:
    """The writing half of a transport.

    holding: small pieces are kept until `flush`, to be one write. sent: bytes written; for its owner to reset.
    paused: the client takes less than we write.
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
        if not self.holding or self._size > _TOGETHER:
            self.flush()

    def flush(self) -> None:
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
