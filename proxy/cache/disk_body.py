"""A body in a file: read in blocks, each checked before any of it is sent."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from zlib import crc32

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Fields

BLOCK = 256 * 1024
"""Bytes with one checksum. A reader holds one of them."""


def checksums(body: bytes) -> list[int]:
    return [crc32(memoryview(body)[at : at + BLOCK]) for at in range(0, len(body), BLOCK)]


class OpenFile:
    """Open until nobody refers to it any more, also when it has been deleted meanwhile."""

    __slots__ = ("fd",)

    def __init__(self, path: Path, flags: int = os.O_RDONLY) -> None:
        self.fd = os.open(path, flags | os.O_CLOEXEC, 0o600)

    def __del__(self) -> None:
        if hasattr(self, "fd"):
            os.close(self.fd)


class FileBody:
    """A Stream of a part of a file, and like bytes as far as a length and slices go; each slice is a Stream of its own.

    Raises OSError when there is no such file, or it has another length.
    """

    __slots__ = ("_at", "_begin", "_end", "_file", "_path", "_size", "sums", "trailers")

    def __init__(self, path: Path, size: int, sums: list[int]) -> None:
        self._path = path
        self.trailers: Fields | None = None
        self._file = OpenFile(path)
        if os.fstat(self._file.fd).st_size != size or len(sums) != -(-size // BLOCK):
            raise OSError(f"{path} does not have {size} bytes")
        self._size = size
        self.sums = sums
        self._begin, self._end = 0, size
        self._at = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def __getitem__(self, part: slice) -> FileBody:
        begin, end, _ = part.indices(len(self))
        new = FileBody.__new__(FileBody)
        new._path, new.trailers, new._file, new._size, new.sums = self._path, None, self._file, self._size, self.sums
        new._begin = new._at = self._begin + begin
        new._end = self._begin + max(begin, end)
        return new

    @property
    def name(self) -> str:
        """Of the file."""
        return self._path.name

    @property
    def length(self) -> int:
        return len(self)

    async def read(self) -> bytes:
        if self._at >= self._end:
            return b""
        chunk = await asyncio.get_running_loop().run_in_executor(None, self._block, self._at)
        self._at += len(chunk)
        return chunk

    def _block(self, at: int) -> bytes:
        """What there is from there to the end of the block, or of the part."""
        number, offset = divmod(at, BLOCK)
        begin = number * BLOCK
        block = os.pread(self._file.fd, min(BLOCK, self._size - begin), begin)
        if crc32(block) != self.sums[number]:
            self.discard()  # without its file, the store drops the entry
            raise ProxyError(errors.PROXY_INTERNAL_ERROR, "what was stored of the response is damaged")
        return block[offset : self._end - begin]

    def whole(self) -> bytes:
        """All of it at once; for a thread. ProxyError when it is damaged."""
        parts, at = [], self._begin
        while at < self._end:
            parts.append(self._block(at))
            at += len(parts[-1])
        return b"".join(parts)

    def is_there(self) -> bool:
        """The file has not been deleted."""
        return self._path.exists()

    def discard(self) -> None:
        """Delete the file."""
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        self._at = self._end
