"""Messages between the supervisor and a worker: JSON objects over a stream socket, each after its length.

Both ends may ask, and answer in any order.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

logger = logging.getLogger(__name__)

Message = dict[str, Any]
"""What JSON can say. Orders have their name under "do"."""

LENGTH = struct.Struct("!I")
LONGEST = 256 << 20


class Refused(Exception):
    """The other end will not do it. The text says why, for people."""


class Lost(ConnectionError):
    """There is no other end any more."""


class Channel:
    """One end. `answer` is called with what the other end asks, and may raise Refused."""

    def __init__(self, answer: Callable[[Message], Awaitable[Message]]) -> None:
        self._answer = answer
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._number = 0
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self.lost = asyncio.Event()
        """Set when the other end is gone."""

    async def open(self, end: socket.socket) -> None:
        """Take over one end of a socket pair."""
        reader, self._writer = await asyncio.open_unix_connection(sock=end)
        self._reading = asyncio.create_task(self._read(reader))

    async def ask(self, order: Message) -> Message:
        """What the other end answers. Raises Refused, or Lost."""
        if self.lost.is_set():
            raise Lost("the other process is gone")
        self._number += 1
        number = self._number
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._send([number, "ask", order])
            return await future
        finally:
            self._asked.pop(number, None)

    def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
        self._end()

    def _send(self, message: list[object]) -> None:
        assert self._writer is not None
        data = json.dumps(message, separators=(",", ":")).encode()
        self._writer.write(LENGTH.pack(len(data)) + data)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                if length > LONGEST:
                    raise ConnectionError(f"a message of {length} bytes")
                self._take(json.loads(await reader.readexactly(length)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._end()

    def _take(self, message: list[Any]) -> None:
        number, kind, content = message
        if kind == "ask":
            task = asyncio.create_task(self._respond(number, content))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            return
        future = self._asked.get(number)
        if future is None or future.done():
            return
        if kind == "answer":
            future.set_result(content)
        else:
            future.set_exception(Refused(content))

    async def _respond(self, number: int, order: Message) -> None:
        try:
            reply: list[object] = [number, "answer", await self._answer(order)]
        except Refused as refused:
            reply = [number, "refused", str(refused)]
        except Exception as error:
            logger.exception("order %s", order.get("do"))
            reply = [number, "refused", f"{type(error).__name__}: {error}"]
        with suppress(ConnectionError):
            self._send(reply)

    def _end(self) -> None:
        self.lost.set()
        for future in self._asked.values():
            if not future.done():
                future.set_exception(Lost("the other process is gone"))
