"""One stream of an HTTP/2 connection (RFC 9113 §5)."""

from __future__ import annotations

from proxy.http.fields import Fields


class Stream:
    """Both directions of it, while either is open.

    Receiving: `receiving` until the other side has sent its end; `receive_window` bytes it may still send; `owed` bytes
    that were consumed and not given back to it yet; `left` of the announced length; `received` so far; `unwanted`: what
    still comes is thrown away; `headed`: the head of the message was there; `aborted`: it ended before both messages
    were whole.

    Sending: `sending` until our end is written; `send_window` bytes we may still send; of `unsent`, what is behind
    `at` waits for a window or its turn, and behind it the end of the message if `ending`, with `trailers`; `ready`: it
    is in the line of those that can be served; `sent` bytes so far.
    """

    __slots__ = (
        "aborted", "at", "ending", "headed", "id", "left", "owed", "ready", "receive_window", "received",
        "receiving", "send_window", "sending", "sent", "trailers", "unsent", "unwanted",
    )  # fmt: skip

    def __init__(self, id: int, send_window: int, receive_window: int) -> None:
        self.id = id
        self.receiving = self.sending = True
        self.send_window = send_window
        self.receive_window = receive_window
        self.owed = 0
        self.left: int | None = None
        self.received = 0
        self.unwanted = False
        self.aborted = False
        self.headed = False
        self.unsent = b""
        self.at = 0
        self.sent = 0
        self.ending = False
        self.trailers: Fields | None = None
        self.ready = False

    @property
    def waiting(self) -> bool:
        """Something of it is not written yet."""
        return self.at < len(self.unsent) or (self.ending and self.sending)
