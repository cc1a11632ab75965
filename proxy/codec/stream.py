"""One exchange's part of a connection that carries many (RFC 9113 §5, RFC 9114 §4.1)."""

from __future__ import annotations

from proxy.http.fields import Fields


class Stream:
    """Both directions of it, while either is open.

    Receiving: `receiving` until the other side has sent its end; `left` of the announced length; `received` bytes of
    the body so far; `unwanted`: what still comes is thrown away; `headed`: the head of the message was there;
    `aborted`: it ended before both messages were whole.

    Sending: `sending` until our end is written; of `unsent`, what is behind `at` waits for a window or its turn, and
    behind it the end of the message if `ending`, with `trailers`; `sent` bytes of the body so far.
    """

    __slots__ = (
        "aborted", "at", "ending", "headed", "id", "left", "received", "receiving", "sending", "sent", "trailers",
        "unsent", "unwanted",
    )  # fmt: skip

    def __init__(self, id: int) -> None:
        self.id = id
        self.receiving = self.sending = True
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

    @property
    def waiting(self) -> bool:
        """Something of it is not written yet."""
        return self.at < len(self.unsent) or (self.ending and self.sending)
