"""A body that is collected while it passes to the client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from proxy.cache.policy import Refusal
from proxy.errors import ProxyError
from proxy.exchange import Stream
from proxy.http.fields import Fields

Done = Callable[[bytes | Refusal], object]


class Tee:
    """Passes a stream on as it arrives, and keeps a copy.

    `done` is called once: with the whole body when it has ended, or, as soon as there will be none, with the reason:
    SIZE when it grew longer than `limit`, INCOMPLETE when it broke or was left. `left` is called when the client goes
    away before the end; it either lets the rest be read by somebody else (`drain`) or gives up (`abandon`).
    """

    __slots__ = ("_chunks", "_done", "_left", "_limit", "_size", "_source")

    def __init__(self, source: Stream, limit: int, done: Done, left: Callable[[Tee], None]) -> None:
        self._source = source
        self._limit = limit
        self._chunks: list[bytes] = []
        self._size = 0
        self._done: Done | None = done
        self._left = left

    @property
    def length(self) -> int | None:
        return self._source.length

    @property
    def trailers(self) -> Fields | None:
        return self._source.trailers

    @property
    def collecting(self) -> bool:
        return self._done is not None

    async def read(self) -> bytes:
        try:
            chunk = await self._source.read()
        except Exception:
            self._settle(Refusal.INCOMPLETE)
            raise
        if self._done is None:
            return chunk
        if not chunk:
            self._settle(b"".join(self._chunks))
            return chunk
        self._size += len(chunk)
        if self._size > self._limit:
            self._settle(Refusal.SIZE)
        else:
            self._chunks.append(chunk)
        return chunk

    async def drain(self) -> None:
        """Read what is left, for the copy alone; as long as there is one."""
        try:
            with suppress(ProxyError):
                while self.collecting and await self.read():
                    pass
        finally:
            self.abandon()

    def close(self) -> None:
        if self.collecting:
            self._left(self)
        else:
            self._source.close()

    def abandon(self) -> None:
        """Nobody wants the rest."""
        self._settle(Refusal.INCOMPLETE)
        self._source.close()

    def _settle(self, body: bytes | Refusal) -> None:
        done, self._done = self._done, None
        self._chunks = []
        if done is not None:
            done(body)
