"""The client's side of an HTTP/2 connection."""

from __future__ import annotations

import re

from proxy import errors
from proxy.codec import calm
from proxy.codec.events import Interim, Reset, ResponseHead
from proxy.codec.hpack.decoder import Entry
from proxy.codec.http2 import frames
from proxy.codec.http2.session import STREAM_WINDOW, Session, Violation
from proxy.codec.http2.stream import Stream
from proxy.codec.section.kinds import CONTENT_LENGTH, DROPPED, METHOD, RESPONSE, STATUS, TE
from proxy.errors import ProxyError
from proxy.http import framing
from proxy.http.fields import Fields, Line
from proxy.http.syntax import is_token

MAX_SECTION = 64 * 1024
"""Bytes of the header section of a response, and of its trailers."""

MAX_INTERIM = 32
"""Interim responses in front of a final one; an origin that sends more never answers."""

STREAMS = 100
"""Requests at once, until the origin has said how many it takes."""

_STATUS = re.compile(rb"[1-5][0-9][0-9]")
_TARGET = re.compile(r"[!-~]+")
_EXPECT_BODY = frozenset(("POST", "PUT", "PATCH"))
_OURS = frozenset((b"content-length", b"host"))
_NO_BODY = frozenset((204, 304))


class Malformed(Exception):
    """Not a response (RFC 9113 §8.1.1)."""


def request_lines(
    method: str, scheme: str, authority: str, target: str, lines: list[Line], length: int | None
) -> list[Line]:
    """A request as a header section. length: of the body, None: only its end tells.

    Raises ProxyError (proxy_internal_error) for a method or a target that would be another request to somebody.
    """
    if not is_token(method.encode()) or not _TARGET.fullmatch(target) or not _TARGET.fullmatch(authority):
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, "a stage made a request line that is not three words of ASCII")
    head = [
        (b":method", method.encode()),
        (b":scheme", scheme.encode()),
        (b":authority", authority.encode()),
        (b":path", target.encode()),
    ]
    kept = [line for line in lines if line[0] not in _OURS]
    if length or (length is not None and method in _EXPECT_BODY):  # RFC 9110 §8.6
        kept.append((b"content-length", b"%d" % length))
    return head + kept


class Http2Client(Session):
    """Responses of one connection, any number at a time.

    `open` a stream, then send its request on it. going: the origin takes no more requests on this connection.
    """

    failure = errors.HTTP_PROTOCOL_ERROR

    def __init__(self) -> None:
        # Requests of many clients share the connection: what one of them sends must not help to guess another's.
        super().__init__(RESPONSE, {frames.ENABLE_PUSH: 0}, MAX_SECTION, indexing=False)
        self._out.insert(0, frames.PREFACE)
        self.going = False
        self._bodiless: set[int] = set()
        self._interims: dict[int, int] = {}

    @property
    def room(self) -> bool:
        """Another stream may be opened."""
        most = self.peer_streams if self._greeted else min(self.peer_streams, STREAMS)
        return not self.going and not self.over and len(self.streams) < most and self.last < frames.LARGEST_STREAM - 2

    def open(self, method: str) -> Stream:
        number = self.last + 2 if self.last else 1
        self.last = number
        stream = self.streams[number] = Stream(number, self._peer_window, STREAM_WINDOW)
        if method == "HEAD":
            self._bodiless.add(number)
        return stream

    def abandon(self, stream: Stream) -> None:
        self._forget(stream)
        super().abandon(stream)

    def _forget(self, stream: Stream) -> None:
        self._bodiless.discard(stream.id)
        self._interims.pop(stream.id, None)

    def _highest(self) -> int:
        return 0  # nothing of the other side's is pushed

    def _goes_away(self, last: int, code: int) -> None:
        self.going = True
        for stream in [stream for number, stream in self.streams.items() if number > last]:
            self.abandon(stream)
            error = ProxyError(errors.CONNECTION_TERMINATED, "the origin takes no more requests on this connection")
            self._events.append(Reset(error, stream.id, unprocessed=True))

    def _was_reset(self, stream: Stream, code: int) -> None:
        failure = errors.HTTP_RESPONSE_INCOMPLETE if stream.headed else errors.CONNECTION_TERMINATED
        error = ProxyError(failure, f"the origin reset the stream with code {code}")
        self._events.append(Reset(error, stream.id, unprocessed=code == frames.REFUSED_STREAM))

    def _fields(self, number: int, entries: list[Entry] | None, end: bool) -> None:
        stream = self.streams.get(number)
        if stream is None or not stream.receiving:
            if self._is_idle(number):
                raise Violation(frames.PROTOCOL_ERROR, "an answer to no request")
            self._is_late(number)
            return
        try:
            if entries is None:
                raise Malformed(f"more than {MAX_SECTION} bytes of fields")
            if stream.headed:
                self._trailers(stream, entries, end)
            else:
                self._head(stream, entries, end)
        except Malformed as error:
            self.malformed(stream, str(error))

    def _head(self, stream: Stream, entries: list[Entry], end: bool) -> None:
        status, lines, length = _response(entries)
        fields = Fields(lines)
        if status < 200:
            if end or status == 101:
                raise Malformed(f"an interim response {status} that is none")
            count = self._interims[stream.id] = self._interims.get(stream.id, 0) + 1
            if count > MAX_INTERIM:
                raise Malformed(f"more than {MAX_INTERIM} interim responses")
            self._events.append(Interim(status, fields, stream.id))
            return
        if stream.id in self._bodiless or status in _NO_BODY:
            length = 0
            if status == 204:  # RFC 9110 §8.6: it has none, whatever the origin wrote
                fields.remove(b"content-length")
        elif end and length:
            raise Malformed("a content-length without a body")
        stream.headed = True
        stream.left = length
        self._forget(stream)
        self._calm.earn(calm.ANSWERED)
        self._events.append(ResponseHead(status, fields, 0 if end else length, "2", True, stream.id))
        if end:
            self._received_end(stream, None)

    def _trailers(self, stream: Stream, entries: list[Entry], end: bool) -> None:
        if not end or stream.left:
            raise Malformed("trailers that are not the end of the response")
        lines: list[Line] = []
        for entry in entries:
            if entry.wrong is not None or entry.kind >= METHOD:
                raise Malformed(f"{entry.line[0]!r} in the trailers")
            lines.append(entry.line)
        self._received_end(stream, framing.trailers(lines))


def _response(entries: list[Entry]) -> tuple[int, list[Line], int | None]:
    """Status, fields and the length that is announced. Raises Malformed."""
    status: bytes | None = None
    length: int | None = None
    lines: list[Line] = []
    for entry in entries:
        kind, line = entry.kind, entry.line
        if entry.wrong is not None:
            raise Malformed(entry.wrong)
        if kind == STATUS:
            if status is not None or lines:
                raise Malformed("the status twice, or behind a field")
            status = line[1]
            continue
        if kind == CONTENT_LENGTH:
            if length is not None:
                raise Malformed("more than one content-length")
            try:
                length = framing.content_length(line[1])
            except ProxyError as error:
                raise Malformed(error.detail) from None
        elif kind in (DROPPED, TE):
            continue
        lines.append(line)
    if status is None or not _STATUS.fullmatch(status):
        raise Malformed("a response without a status")
    return int(status), lines, length
