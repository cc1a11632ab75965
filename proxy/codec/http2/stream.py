"""One stream of an HTTP/2 connection (RFC 9113 §5)."""

from __future__ import annotations

from proxy.codec import stream


class Stream(stream.Stream):
    """With its windows: `receive_window` bytes the other side may still send; `owed` bytes that were consumed and not
    given back to it yet; `send_window` bytes we may still send; `ready`: it is in the line of those that can be served.
    """

    __slots__ = ("owed", "ready", "receive_window", "send_window")

    def __init__(self, id: int, send_window: int, receive_window: int) -> None:
        super().__init__(id)
        self.send_window = send_window
        self.receive_window = receive_window
        self.owed = 0
        self.ready = False
