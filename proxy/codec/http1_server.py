"""The server's side of an HTTP/1.1 connection: bytes of requests to events (RFC 9112).

Strict: what two parties may read in two ways is refused, as it is how requests are smuggled past one of them.
Heads are llhttp's, delimited here, so that each is looked at from its first byte and limits hold to the byte.
"""

from __future__ import annotations

from proxy.codec.chunked import ChunkedDecoder
from proxy.codec.events import END, Data, Event, Preface
from proxy.codec.head import HeadParser, refuse_bare_lf, refused
from proxy.codec.limits import Limits
from proxy.errors import ProxyError
from proxy.http.syntax import is_token

_HTTP2 = b"PRI * HTTP/2.0\r\n\r\n"
"""As far as the preface of HTTP/2 looks like a request."""


class Http1Server:
    """Requests of one connection, one after the other.

    `feed` what was read, then ask for `events` until there are none. Each call goes no further than the End of one
    request, so what a client sends ahead of its answers stays bytes. A ProxyError is the last event of all.

    pending: there are bytes that no event has told of, or none ever will.
    """

    __slots__ = (
        "_at", "_certainly_fits", "_chunked", "_data", "_heads", "_is_first", "_left", "_limits", "_over", "pending",
    )  # fmt: skip

    def __init__(self, limits: Limits, default_authority: str) -> None:
        """default_authority: stands for the Host of an HTTP/1.0 request that has none."""
        self._limits = limits
        self._certainly_fits = min(limits.request_line, limits.field_section)
        self._heads = HeadParser(limits, default_authority)
        self._data = b""
        self._at = 0
        self._left = 0
        self._chunked: ChunkedDecoder | None = None
        self._over = False
        self._is_first = True
        self.pending = False

    def feed(self, data: bytes) -> None:
        if self._over:
            return
        if self.pending:
            data = self._data[self._at :] + data
            self._at = 0
        self._data = data
        self.pending = True

    def events(self) -> list[Event]:
        events: list[Event] = []
        if self._over or not self.pending:
            return events
        try:
            if self._left or self._chunked is not None:
                self._body(events)
            else:
                self._head(events)
        except ProxyError as error:
            whole = self._data
            self.stop()
            events.append(Preface(whole, error) if self._is_first and whole.startswith(_HTTP2) else error)
            return events
        if self._at == len(self._data):
            self._data = b""
            self._at = 0
            self.pending = False
        return events

    def stop(self) -> None:
        """Whatever comes is no request any more."""
        self._over = self.pending = True
        self._data = b""
        self._at = self._left = 0
        self._chunked = None

    def rest(self) -> bytes:
        """What came after the last request, and is not HTTP any more."""
        rest = self._data[self._at :]
        self.stop()
        self.pending = False
        return rest

    def _head(self, events: list[Event]) -> None:
        data, at = self._data, self._at
        while data.startswith(b"\r\n", at):  # RFC 9112 §2.2: some clients end a body with one too many
            at += 2
        end = data.find(b"\r\n\r\n", at)
        size = (len(data) if end < 0 else end + 2) - at
        if size > self._certainly_fits:
            self._check_size(data, at, size)
        if end < 0:
            self._at = at
            refuse_bare_lf(data, at)
            if at < len(data) and data[at : at + 1] != b"\r" and not is_token(data[at : at + 1]):
                raise refused(400, "bad request line")  # a TLS handshake, most likely
            return
        head = self._heads.parse(data[at : end + 4])
        self._at = end + 4
        self._is_first = False
        events.append(head)
        if head.length == 0:
            events.append(END)
            return
        if head.length is None:
            self._chunked = ChunkedDecoder(self._limits)
        else:
            self._left = head.length
        self._body(events)

    def _check_size(self, data: bytes, at: int, size: int) -> None:
        longest = self._limits.request_line
        line = data.find(b"\r\n", at, at + longest + 2) - at
        if line < 0 and size > longest + 1:
            raise refused(414, f"request line is longer than {longest} bytes")
        if line >= 0 and size - line - 2 > self._limits.field_section:
            raise refused(431, f"header section is longer than {self._limits.field_section} bytes")

    def _body(self, events: list[Event]) -> None:
        if self._chunked is not None:
            self._at = self._chunked.decode(self._data, self._at, events)
            if self._chunked.over:
                self._chunked = None
            return
        piece = self._data[self._at : self._at + self._left]
        if piece:
            self._at += len(piece)
            self._left -= len(piece)
            events.append(Data(piece))
            if not self._left:
                events.append(END)
