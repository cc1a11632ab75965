"""One request of an HTTP/3 connection, as it is read from its stream."""

from __future__ import annotations

from proxy.codec import stream
from proxy.http.fields import Fields


class Stream(stream.Stream):
    """buffer: what has come of a frame that is not whole. inside: bytes that are still to come of the payload of a DATA
    frame. skipped: the same of a frame that is not looked at. last: the trailers, behind which there is only the end.
    head: sections that are to be sent, in front of what follows them. began: when the client opened it, in seconds.
    """

    __slots__ = ("began", "buffer", "head", "inside", "last", "over", "skipped")

    def __init__(self, id: int, began: float) -> None:
        super().__init__(id)
        self.began = began
        self.buffer = b""
        self.head = b""
        self.inside = 0
        self.skipped = 0
        self.last: Fields | None = None
        self.over = False
