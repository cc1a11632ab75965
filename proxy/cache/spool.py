"""A body on its way to a file, read by others meanwhile."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from proxy import errors
from proxy.cache.disk_body import BLOCK, FileBody, OpenFile
from proxy.errors import ProxyError

logger = logging.getLogger(__name__)

PIECE = 64 * 1024
"""Bytes read at once."""

AHEAD = 1 << 20
"""Bytes that may wait to be written before the next are read."""


class Spool:
    """What is appended is there to be read at once, and written in a thread.

    submit: has something done there; False when it is too late for that. OSError when there can be no such file.
    """

    def __init__(self, path: Path, limit: int, submit: Callable[..., bool]) -> None:
        self._path = path
        self._limit = limit
        self._submit = submit
        self._loop = asyncio.get_running_loop()
        self._file = OpenFile(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        self._size = self._written = 0
        self._pending: deque[bytes] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self._failed = False
        # Of the thread: checksums of the blocks that are full, and of the bytes of the one that is not.
        self._sums: list[int] = []
        self._sum, self._in_block = 0, 0

    def append(self, chunk: bytes) -> bool:
        """False when it is too much, or the disk has failed."""
        if self._failed or self._size + len(chunk) > self._limit:
            return False
        if not self._submit(self._write, chunk):
            self._failed = True
            return False
        self._size += len(chunk)
        self._pending.append(chunk)
        return True

    async def ready(self) -> None:
        """The disk has nearly caught up."""
        while self._size - self._written > AHEAD and not self._failed:
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.append(waiter)
            await waiter

    async def read(self, begin: int, end: int) -> bytes:
        """Some of the bytes there, the first of them at least."""
        if begin >= self._written:
            at = self._written
            for chunk in self._pending:
                if begin < at + len(chunk):
                    return chunk[begin - at : end - at]
                at += len(chunk)
        if self._failed:
            raise ProxyError(errors.PROXY_INTERNAL_ERROR, "what was kept of the response is lost")
        size = min(PIECE, min(end, self._written) - begin)
        return await self._loop.run_in_executor(None, os.pread, self._file.fd, size, begin)

    def finish(self, done: Callable[[FileBody | None], object]) -> None:
        """All is appended: tell when it is written, or None when it cannot be."""
        if not self._submit(self._finish, done):
            self.abandon()
            done(None)

    def abandon(self) -> None:
        """It will not be stored."""
        self._failed = True
        if not self._submit(self._path.unlink, True):
            self._path.unlink(missing_ok=True)

    # In the thread.

    def _write(self, chunk: bytes) -> None:
        try:
            if not self._failed:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[os.write(self._file.fd, rest) :]
                self._add_up(memoryview(chunk))
        except OSError as error:
            logger.error("%s: %s", self._path, error)
            self._failed = True
        self._loop.call_soon_threadsafe(self._wrote, len(chunk))

    def _add_up(self, rest: memoryview) -> None:
        while rest:
            part = rest[: BLOCK - self._in_block]
            self._sum = crc32(part, self._sum)
            self._in_block += len(part)
            if self._in_block == BLOCK:
                self._sums.append(self._sum)
                self._sum = self._in_block = 0
            rest = rest[len(part) :]

    def _finish(self, done: Callable[[FileBody | None], object]) -> None:
        body: FileBody | None = None
        if not self._failed:
            sums = [*self._sums, self._sum] if self._in_block else self._sums
            try:
                body = FileBody(self._path, self._size, sums)
            except OSError as error:
                logger.error("%s: %s", self._path, error)
        self._loop.call_soon_threadsafe(done, body)

    # In the loop again.

    def _wrote(self, size: int) -> None:
        if not self._failed:
            self._pending.popleft()
            self._written += size
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
