"""A body whose sender may send only as much as a window allows, which opens as the body is read (RFC 9113 §5.2)."""

from __future__ import annotations

from collections.abc import Callable

from proxy.exchange.body import Pipe

SMALL = 1024
"""Pieces up to here are joined: a body in frames of a byte each must not take forty times its size."""


class WindowedPipe(Pipe):
    """consumed: called with the bytes that are out of memory, read or thrown away."""

    __slots__ = ("_consumed", "_held")

    def __init__(
        self, length: int | None, consumed: Callable[[int], None], on_close: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(length, on_close=on_close)
        self._consumed = consumed
        self._held = 0

    @property
    def holds(self) -> bool:
        """There is something that nobody has read yet."""
        return self._held > 0

    def feed(self, chunk: bytes) -> None:
        if self._closed:
            self._consumed(len(chunk))
            return
        self._held += len(chunk)
        buffer = self._buffer
        if buffer and len(chunk) < SMALL and len(buffer[-1]) < SMALL:
            buffer[-1] += chunk
            self._wake()
        else:
            super().feed(chunk)

    def take(self) -> bytes | None:
        chunk = super().take()
        if chunk:
            self._release()
        return chunk

    def close(self) -> None:
        super().close()
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, 0
        if held:
            self._consumed(held)
