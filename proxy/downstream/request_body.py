"""The body of a request while it arrives."""

from __future__ import annotations

from collections.abc import Callable

from proxy.exchange import Pipe


class RequestBody(Pipe):
    """A Pipe that asks for the body when it is first read, if its client waits to be asked (RFC 9110 §10.1.1).

    received: bytes so far, also those nobody wanted. closed: nobody wants more.
    """

    __slots__ = ("ask", "closed", "received")

    def __init__(
        self, length: int | None, pause: Callable[[], None], resume: Callable[[], None], on_close: Callable[[], None]
    ) -> None:
        super().__init__(length, pause=pause, resume=resume, on_close=on_close)
        self.ask: Callable[[], None] | None = None
        self.received = 0
        self.closed = False

    def feed(self, chunk: bytes) -> None:
        self.received += len(chunk)
        self.ask = None  # it did not wait
        super().feed(chunk)

    def take(self) -> bytes | None:
        if self.ask is not None:
            ask, self.ask = self.ask, None
            ask()
        return super().take()

    def close(self) -> None:
        self.closed = True
        super().close()
