"""The body of a request while it arrives."""

from __future__ import annotations

from collections.abc import Callable

from proxy.exchange import Pipe

DRAINED = 256 * 1024
"""Bytes of a body nobody wants that are read all the same, so that its connection can be used again."""


class RequestBody(Pipe):
    """A Pipe that asks for the body when it is first read, if its client waits to be asked (RFC 9110 §10.1.1).

    received: bytes so far. closed: nobody wants more. ask: None when nobody has to (any more).
    """

    __slots__ = ("_changed", "_unwanted", "ask", "closed", "received")

    def __init__(self, length: int | None, changed: Callable[[], None], ask: Callable[[], None] | None) -> None:
        """changed: called when `full` no longer is what it was, for other reasons than `feed`."""
        super().__init__(length)
        self.ask = ask
        self.closed = False
        self.received = 0
        self._changed = changed
        self._unwanted = 0

    @property
    def full(self) -> bool:
        """Nothing more should be read for it now."""
        return self.too_long if self.closed else self._paused

    @property
    def too_long(self) -> bool:
        """So much of it came after it was closed that it is not worth reading to its end."""
        return self._unwanted > DRAINED

    @property
    def may_be_drained(self) -> bool:
        """Its connection is likely to get to the end of it."""
        rest = 0 if self.length is None else self.length - self.received
        return self.ask is None and not (self.closed and rest > DRAINED)

    def feed(self, chunk: bytes) -> None:
        self.ask = None  # it did not wait
        self.received += len(chunk)
        if self.closed:
            self._unwanted += len(chunk)
        super().feed(chunk)

    def take(self) -> bytes | None:
        if self.ask is not None and not self.ended:
            ask, self.ask = self.ask, None
            ask()
        was_full = self._paused
        chunk = super().take()
        if was_full and not self._paused:
            self._changed()
        return chunk

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            super().close()
            self._changed()
