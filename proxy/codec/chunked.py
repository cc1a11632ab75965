"""The chunked transfer coding (RFC 9112 §7.1), both ways.

Our own decoder for requests: llhttp does not tell where in its input a body ended, and the next request has to be
looked at from its first byte; nor does it bound chunk extensions.
"""

from __future__ import annotations

import re

from proxy import errors
from proxy.codec.events import END, Data, End, Event
from proxy.codec.head import field_lines, refuse_bare_lf
from proxy.codec.limits import Limits
from proxy.errors import ProxyError
from proxy.http import framing
from proxy.http.fields import Fields

MAX_EXTENSIONS = 4 * 1024
"""Bytes of chunk extensions in one body. Nobody uses them; they are only read past."""

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"'
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})((?:;%b(?:=(?:%b|%b))?)*)" % (_TOKEN, _TOKEN, _QUOTED))
_BEGUN_SIZE_LINE = re.compile(rb"[0-9A-Fa-f]{1,15}(?:;[\t\x20-\x7e\x80-\xff]*)?")
_LONGEST_LINE = 15 + MAX_EXTENSIONS


def encode_chunk(data: bytes) -> bytes:
    """A piece of a body; not empty, as an empty one would be the last."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def encode_last_chunk(trailers: Fields | None) -> bytes:
    """The end of a body. ProxyError (proxy_internal_error) when a trailer would not stay in its line."""
    if not trailers:
        return b"0\r\n\r\n"
    section = b"".join(b"%b: %b\r\n" % line for line in trailers)
    if not section.count(b"\n") == section.count(b"\r") == len(trailers) or b"\0" in section:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, "a stage made trailers that have CR, LF or NUL in them")
    return b"0\r\n%b\r\n" % section


def _malformed(detail: str) -> ProxyError:
    return ProxyError(errors.HTTP_REQUEST_ERROR, detail)


class ChunkedDecoder:
    """One chunked body. `decode` takes what it can from a buffer that its owner keeps the rest of."""

    __slots__ = ("_extensions", "_left", "_limits", "_size", "_step", "over")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._step = ChunkedDecoder._size_line
        self._left = 0
        self._size = 0
        self._extensions = 0
        self.over = False

    def decode(self, data: bytes, at: int, events: list[Event]) -> int:
        """Append the Data of `data[at:]`, and the End, to events; `over` is true then. Returns up to where it read:
        what is behind that has to be shown again, with more after it, or does not belong to this body.

        Raises ProxyError with status 400, 413 or 431."""
        while at < len(data) and not self.over:
            reached = self._step(self, data, at, events)
            if reached == at:
                break
            at = reached
        return at

    def _size_line(self, data: bytes, at: int, events: list[Event]) -> int:
        end = data.find(b"\r\n", at, at + _LONGEST_LINE + 2)
        if end < 0:
            self._check_begun(data[at : at + _LONGEST_LINE + 2])
            return at
        match = _SIZE_LINE.fullmatch(data, at, end)
        if match is None:
            raise _malformed("bad chunk size or chunk extension")
        self._extensions += len(match[2])
        if self._extensions > MAX_EXTENSIONS:
            raise _malformed("too many chunk extensions")
        self._left = int(match[1], 16)
        self._size += self._left
        if self._limits.body is not None and self._size > self._limits.body:
            raise ProxyError(errors.HTTP_REQUEST_ERROR, f"body is longer than {self._limits.body} bytes", status=413)
        self._step = ChunkedDecoder._piece if self._left else ChunkedDecoder._trailers
        return end + 2

    def _check_begun(self, line: bytes) -> None:
        """A size line that is not over yet and already wrong must not keep the client waiting for an answer."""
        begun = line.removesuffix(b"\r")
        if len(begun) > _LONGEST_LINE or (begun and not _BEGUN_SIZE_LINE.fullmatch(begun)) or line == b"\r":
            raise _malformed("bad chunk size or chunk extension")

    def _piece(self, data: bytes, at: int, events: list[Event]) -> int:
        piece = data[at : at + self._left]
        self._left -= len(piece)
        events.append(Data(piece))
        if not self._left:
            self._step = ChunkedDecoder._piece_end
        return at + len(piece)

    def _piece_end(self, data: bytes, at: int, events: list[Event]) -> int:
        following = data[at : at + 2]
        if following == b"\r\n":
            self._step = ChunkedDecoder._size_line
            return at + 2
        if following != b"\r":
            raise _malformed("a chunk is longer than its size")
        return at

    def _trailers(self, data: bytes, at: int, events: list[Event]) -> int:
        if data.startswith(b"\r\n", at):
            self.over = True
            events.append(END)
            return at + 2
        end = data.find(b"\r\n\r\n", at)
        if (len(data) if end < 0 else end) - at > self._limits.field_section:
            raise ProxyError(errors.HTTP_REQUEST_ERROR, "trailer section is too long", status=431)
        if end < 0:
            refuse_bare_lf(data, at)
            return at
        lines = field_lines(data[at : end + 4])
        if len(lines) > self._limits.field_lines:
            raise ProxyError(errors.HTTP_REQUEST_ERROR, "too many trailer fields", status=431)
        self.over = True
        events.append(End(framing.trailers(lines)))
        return end + 4
