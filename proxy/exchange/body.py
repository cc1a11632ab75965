"""Message bodies: whole in memory (`bytes`), or a stream with one producer and one consumer.

A consumer pulls chunks; a producer that is ahead of it is told to pause. So a slow client holds back
the origin through every stage, and nothing is ever whole in memory unless a stage asks for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Fields

HIGH_WATER = 64 * 1024
"""Bytes a pipe holds before its producer is paused."""


class Stream(Protocol):
    """A body that arrives over time. One consumer reads it once."""

    @property
    def length(self) -> int | None:
        """Bytes announced for the whole body, None when not known before the end."""

    @property
    def trailers(self) -> Fields | None:
        """Trailer fields; meaningful once `read` has returned b""."""

    async def read(self) -> bytes:
        """The next chunk, never empty before the end; b"" at the end. Raises ProxyError when it broke."""

    def close(self) -> None:
        """The consumer wants no more. May be called at any time, also after the end, and repeatedly."""


Body = bytes | Stream
"""What a message carries. `b""` is no body at all."""


def length_of(body: Body) -> int | None:
    return len(body) if isinstance(body, bytes) else body.length


async def collect(body: Body, limit: int) -> bytes:
    """The whole body; ProxyError(http_response_body_size) when it is longer than `limit` bytes."""
    if isinstance(body, bytes):
        if len(body) > limit:
            raise ProxyError(errors.HTTP_RESPONSE_BODY_SIZE, f"body is longer than {limit} bytes")
        return body
    chunks: list[bytes] = []
    size = 0
    try:
        while chunk := await body.read():
            size += len(chunk)
            if size > limit:
                raise ProxyError(errors.HTTP_RESPONSE_BODY_SIZE, f"body is longer than {limit} bytes")
            chunks.append(chunk)
    finally:
        body.close()
    return b"".join(chunks)


def _nothing() -> None:
    return None


class Pipe:
    """A Stream fed from callbacks: a connection feeds, a stage reads.

    `pause` and `resume` are called when the buffer passes the high-water mark and when it is empty again,
    `closed` once when the consumer closes before the end was read.
    """

    __slots__ = (
        "_buffer", "_closed", "_ended", "_error", "_on_close", "_pause", "_paused", "_resume",
        "_size", "_waiter", "length", "trailers",
    )  # fmt: skip

    def __init__(
        self,
        length: int | None = None,
        *,
        pause: Callable[[], None] = _nothing,
        resume: Callable[[], None] = _nothing,
        on_close: Callable[[], None] = _nothing,
    ) -> None:
        self.length = length
        self.trailers: Fields | None = None
        self._buffer: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._closed = False
        self._error: ProxyError | None = None
        self._paused = False
        self._pause, self._resume, self._on_close = pause, resume, on_close
        self._waiter: asyncio.Future[None] | None = None

    def feed(self, chunk: bytes) -> None:
        if self._closed or not chunk:
            return
        self._buffer.append(chunk)
        self._size += len(chunk)
        if self._size > HIGH_WATER and not self._paused:
            self._paused = True
            self._pause()
        self._wake()

    def end(self, trailers: Fields | None = None) -> None:
        self._ended = True
        self.trailers = trailers
        self._wake()

    def fail(self, error: ProxyError) -> None:
        """What was fed before is still read; then `read` raises `error`."""
        if not self._ended and self._error is None:
            self._error = error
            self._wake()

    @property
    def ended(self) -> bool:
        """The producer has fed everything."""
        return self._ended

    def take(self) -> bytes | None:
        """All that is there, without waiting: None when nothing is yet, b"" at the end."""
        if self._buffer:
            chunk = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
            self._buffer.clear()
            self._size = 0
            if self._paused:
                self._paused = False
                self._resume()
            return chunk
        if self._error is not None:
            raise self._error
        return b"" if self._ended or self._closed else None

    async def read(self) -> bytes:
        while (chunk := self.take()) is None:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return chunk

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        unread = bool(self._buffer) or not self._ended
        self._buffer.clear()
        self._size = 0
        if unread and self._error is None:
            self._on_close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
