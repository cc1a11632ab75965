"""The client's side of an HTTP/1.1 connection: requests to bytes, and bytes of responses to events (RFC 9112).

Strict about framing, because whoever can make us and an origin disagree about where a response ends can answer
other people's requests. What may be read in two ways is an error, and the connection is not used again.
"""

from __future__ import annotations

from typing import Final, cast

import httptools

from proxy import errors
from proxy.codec.events import END, Data, End, Event, Interim, ResponseHead, Switched
from proxy.codec.line_breaks import check
from proxy.codec.plain_response import plain_head
from proxy.errors import Failure, ProxyError
from proxy.http.fields import Fields, FixedLines, Line, removed
from proxy.http.framing import trailers
from proxy.http.hop_by_hop import HOP_BY_HOP, end_to_end, options
from proxy.http.upgrade import Offer, mistake

MAX_SECTION: Final = 64 * 1024
"""Bytes of a response's header section, of its trailer section, and of whatever else is not content."""

MAX_INTERIM: Final = 32
"""Interim responses in front of a final one; an origin that sends more never answers."""

_EXPECT_BODY: Final = frozenset(("POST", "PUT", "PATCH"))
_OURS: Final = frozenset((b"content-length", b"host", b"transfer-encoding"))
_LOOKED_AT: Final = _OURS | {b"te"}
_NOT_FIXED: Final = _OURS | HOP_BY_HOP
_END: Final = b"\r\n"
_ORDINARY = frozenset((b"close", b"keep-alive"))
_H: Final = ord("H")


def encode_head(
    method: str, target: str, authority: str, fields: Fields, length: int | None, upgrade: bytes | None = None
) -> bytes:
    """A request's head. length: of the body in bytes, None: not known, so the body is to be sent chunked.
    upgrade: the protocol to ask for.

    The framing and `host` are written here, whatever `fields` has of them. Raises ProxyError
    (proxy_internal_error) when a part would not stay in its place on the wire: nothing that a stage made up
    can become another field or another request.
    """
    start, host = f"{method} {target} HTTP/1.1", f"host: {authority}"
    if start.count(" ") != 2 or host.count(" ") != 1 or not (start.isascii() and host.isascii()):
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, "a stage made a request line that is not three words of ASCII")
    lines, fixed, inner = fields.lines, fields.fixed, fields.inner
    begun = inserted = b""
    if fixed is not None and lines[: len(fixed.lines)] == fixed.lines:
        begun = _known(fixed)
        if begun:
            lines = lines[len(fixed.lines) :]
    if (
        inner is not None
        and lines
        and lines[-1 - len(inner.lines) : -1] == inner.lines
        and lines[-1][0] not in _LOOKED_AT
    ):
        inserted = _known(inner)
        if inserted:
            lines = lines[: -1 - len(inner.lines)] + lines[-1:]
    parts = [start.encode(), host.encode()]
    offered = False
    for name, value in lines:
        if name in _LOOKED_AT:
            if name in _OURS:
                continue
            offered = offered or value == b"trailers"  # the one form of `te` that is passed on
        parts.append(name + b": " + value)
    last = len(parts) - 1
    if upgrade is not None:
        parts += (b"connection: upgrade, te" if offered else b"connection: upgrade", b"upgrade: " + upgrade)
    elif offered:
        parts.append(b"connection: te")  # RFC 9110 §10.1.4
    if length is None:
        parts.append(b"transfer-encoding: chunked")
    elif length or method in _EXPECT_BODY:  # RFC 9110 §8.6
        parts.append(b"content-length: %d" % length)
    check(parts)
    parts[1] += begun
    parts[last - 1] += inserted
    parts.append(_END)
    return _END.join(parts)


def _known(fixed: FixedLines) -> bytes:
    """Nothing where some of them are not just passed on."""
    if not _NOT_FIXED.isdisjoint(fixed.names):
        return b""
    if fixed.http1 is None:
        section = [b"", *[name + b": " + value for name, value in fixed.lines]]
        check(section)
        fixed.http1 = _END.join(section)
    return fixed.http1


class Http1Client:
    """Responses of one connection, one after the other.

    `expect(method)` before each request, `receive` for each read, `receive_eof` when the origin ended the
    connection. A ProxyError is the last event there is; after an End, `reusable` says whether the connection can
    carry another request.
    """

    __slots__ = (
        "_before", "_ended", "_events", "_head", "_hop", "_interims", "_left", "_lines", "_method", "_offer", "_parser",
        "_quiet", "_switched", "_until_close", "reusable",
    )  # fmt: skip

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._method = ""
        self.reusable = True
        self.expect("")

    def expect(self, method: str, offer: Offer | None = None) -> None:
        """The next response answers a request of this method, that made this offer."""
        if self._method == "HEAD":
            # The parser cannot be told that no body follows, so each such answer is the last one it reads.
            self._parser = httptools.HttpResponseParser(self)
        self._method = method
        self._offer = offer
        self._switched: Fields | None = None
        self._events: list[Event] = []
        self._before = True  # no byte of the response has come
        self._ended = False
        self._until_close = False
        self._head: ResponseHead | None = None
        self._lines: list[Line] = []  # of the section that is being read
        self._hop: list[Line] = []  # likewise, those that are about this hop
        self._interims = 0
        self._quiet = 0  # bytes since the response last got on
        self._left = 0  # of a body that the parser has no part in

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes (not none) say."""
        events = self._events = []
        if self._left:
            self._body(data, 0)
            return events
        if self._before:
            self._before = False
            plain = plain_head(data, MAX_SECTION) if self._method != "HEAD" else None
            if plain is not None:
                self._head, end = plain
                events.append(self._head)
                self._left = cast(int, self._head.length)
                self._body(data, end)
                return events
            if data[0] != _H:  # the parser takes RTSP and leading line breaks too
                self._fail(errors.HTTP_PROTOCOL_ERROR, "the response does not begin with HTTP/")
                return events
        self._quiet += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._switched is not None:
                self._events.append(Switched(self._switched, data[upgrade.args[0] :]))
            else:
                self._refused(upgrade)
        except httptools.HttpParserError as error:
            self._refused(error)
        if not self._ended:
            if self._quiet > MAX_SECTION:
                self._fail_size()
        elif self._method == "HEAD" and (len(data) < 4 or data.find(b"\r\n\r\n") != len(data) - 4):
            self.reusable = False  # more came than one head, or we cannot tell
        return events

    def receive_eof(self) -> list[Event]:
        """The origin sent its last byte: the end of a body that nothing else ends (RFC 9112 §6.3), or a failure."""
        self.reusable = False
        self._events = []
        if self._ended:
            pass
        elif self._until_close:
            self._end(None)
        elif self._before:
            self._fail(errors.CONNECTION_TERMINATED, "the origin closed the connection without a response")
        else:
            self._fail(errors.HTTP_RESPONSE_INCOMPLETE, "the origin closed the connection within the response")
        return self._events

    def _body(self, data: bytes, at: int) -> None:
        piece = data[at : at + self._left]
        if piece:
            self._left -= len(piece)
            self._events.append(Data(piece))
        if not self._left:
            self._end(None)
            if at + len(piece) < len(data):
                self.reusable = False

    # What httptools calls. After the End all of it is about bytes that nobody asked for.

    def on_message_begin(self) -> None:
        if self._ended:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name in HOP_BY_HOP:
            # With its tab: the parser does not take `chunked<tab>` for chunked, so neither must we.
            self._hop.append((name, value.rstrip(b" ")))
        else:
            self._lines.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        if self._ended:
            return
        status: int = self._parser.get_status_code()
        version: str = self._parser.get_http_version()
        lines, self._lines = self._lines, []
        hop, self._hop = self._hop, []
        if self._quiet > MAX_SECTION and _size(lines) + _size(hop) > MAX_SECTION:
            self._fail_size()
        elif version not in ("1.1", "1.0") or not 100 <= status <= 599:
            self._fail(errors.HTTP_PROTOCOL_ERROR, f"a response of HTTP/{version} with status {status}")
        elif status < 200:
            self._interim(status, lines, hop)
        else:
            self._final(status, version, lines, hop)

    def on_body(self, data: bytes) -> None:
        if not self._ended:
            self._quiet = 0
            self._events.append(Data(data))

    def on_message_complete(self) -> None:
        if self._ended or self._head is None:  # after an interim response another one follows
            return
        if not self._lines:
            self._end(None)
        elif _size(self._lines) > MAX_SECTION:
            self._fail_size()
        else:
            self._end(trailers(self._lines))

    # What it means.

    def _interim(self, status: int, lines: list[Line], hop: list[Line]) -> None:
        self._interims += 1
        framing = any(name == b"content-length" and value.strip(b"0") for name, value in lines)
        framing |= any(name == b"transfer-encoding" for name, _ in hop)
        if status == 101 and (wrong := mistake(self._offer, lines, hop)) is not None:
            self._fail(errors.HTTP_PROTOCOL_ERROR, f"101 Switching Protocols, {wrong}")
        elif framing:  # RFC 9110 §8.6, RFC 9112 §6.1: not in a 1xx; the parser reads a body all the same
            self._fail(errors.HTTP_PROTOCOL_ERROR, f"a {status} that says it has a body")
        elif self._interims > MAX_INTERIM:
            self._fail(errors.HTTP_PROTOCOL_ERROR, f"more than {MAX_INTERIM} interim responses")
        elif status == 101:
            self._switched = Fields(_kept(lines, hop))
            self._ended = True
            self.reusable = False
        else:
            self._quiet = 0
            self._events.append(Interim(status, Fields(_kept(lines, hop))))

    def _final(self, status: int, version: str, lines: list[Line], hop: list[Line]) -> None:
        """Length and end of the body (RFC 9112 §6.3). The parser has checked that there is at most one length, made of
        digits, and none beside a transfer coding."""
        named = options(hop)
        persistent = b"close" not in named and (version == "1.1" or b"keep-alive" in named)  # RFC 9112 §9.3
        length = next((int(value) for name, value in lines if name == b"content-length"), None)
        codings = [value.lower() for name, value in hop if name == b"transfer-encoding"]
        if self._method == "HEAD" or status in (204, 304):
            length = 0
        elif codings and (codings != [b"chunked"] or version == "1.0"):  # RFC 9112 §6.1
            coding = b", ".join(codings).decode("latin-1")
            self._fail(errors.HTTP_RESPONSE_TRANSFER_CODING, f"transfer-encoding {coding!r} in HTTP/{version}")
            return
        elif length is None and not codings:
            self._until_close = True
            persistent = False
        if status == 204:  # RFC 9110 §8.6: it has none, whatever the origin wrote
            lines = removed(lines, b"content-length")
        self._head = ResponseHead(status, Fields(_kept(lines, hop)), length, version, persistent)
        self._events.append(self._head)
        self.reusable = persistent
        if self._method == "HEAD":
            self._end(None)

    def _end(self, trailers: Fields | None) -> None:
        self._ended = True
        self._events.append(End(trailers) if trailers else END)

    def _refused(self, error: Exception) -> None:
        if self._ended:
            self.reusable = False
        elif self._head is None:
            self._fail(errors.HTTP_PROTOCOL_ERROR, f"malformed response head: {error}")
        else:
            self._fail(errors.HTTP_RESPONSE_TRANSFER_CODING, f"malformed chunked body: {error}")

    def _fail_size(self) -> None:
        if self._head is None:
            self._fail(errors.HTTP_RESPONSE_HEADER_SECTION_SIZE, f"more than {MAX_SECTION} bytes of fields")
        else:
            self._fail(errors.HTTP_RESPONSE_TRAILER_SECTION_SIZE, f"more than {MAX_SECTION} bytes without content")

    def _fail(self, failure: Failure, detail: str) -> None:
        self._ended = True
        self.reusable = False
        self._events.append(ProxyError(failure, detail))


def _size(lines: list[Line]) -> int:
    return sum(len(name) + len(value) for name, value in lines)


def _kept(lines: list[Line], hop: list[Line]) -> list[Line]:
    """What is passed on: the lines without those that `Connection` names."""
    return lines if _ORDINARY.issuperset(options(hop)) else end_to_end(hop + lines)
