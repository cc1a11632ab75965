"""When a socket is worth trying again. Nothing is read or written before a guest asks for it, so what the host holds of
a socket is what the kernel holds."""

from __future__ import annotations

import asyncio
import select
import socket
from typing import Any


class Ready:
    """One direction of a socket, as a pollable."""

    def __init__(self, opened: socket.socket, event: int) -> None:
        self._descriptor = opened.fileno()
        self._event = event
        self._future: asyncio.Future[None] | None = None
        self._closed = False

    def pending(self) -> asyncio.Future[Any] | None:
        """All who wait have the same future: so they wait with `until`, which leaves it alone when they give up."""
        if self._future is None and not self._closed and not self._now():
            loop = asyncio.get_running_loop()
            self._future = loop.create_future()
            add = loop.add_reader if self._event == select.POLLIN else loop.add_writer
            add(self._descriptor, self._ring)
        return self._future

    def _now(self) -> bool:
        poll = select.poll()
        poll.register(self._descriptor, self._event)
        return bool(poll.poll(0))

    def _ring(self) -> None:
        loop = asyncio.get_running_loop()
        remove = loop.remove_reader if self._event == select.POLLIN else loop.remove_writer
        remove(self._descriptor)
        future, self._future = self._future, None
        if future is not None and not future.done():
            future.set_result(None)

    def close(self) -> None:
        """Who waits finds that it is closed."""
        if self._future is not None:
            self._ring()
        self._closed = True
