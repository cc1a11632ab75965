"""Heads of responses as nearly all are: HTTP/1.1, whole in one read, with a body of known length, and nothing about the
connection but that it stays.

Whatever is not plain is left to llhttp, which also names what is wrong with it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from proxy.codec.events import ResponseHead
from proxy.codec.known_lines import KnownLines, NotPlain
from proxy.http.fields import Fields, FixedLines, Line
from proxy.http.hop_by_hop import HOP_BY_HOP
from proxy.http.known import Known

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
_LONGEST_STATUS_LINE = 256
_MOST_DIGITS: Final = 18
_KNOWN: Final = KnownLines(HOP_BY_HOP)

_DATE_LINE: Final = len("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT")

_LONGEST_HEAD, _MOST_LINES = 1024, 32
"""Bytes and field lines of one that is kept."""


class _Head:
    """One that is kept: what it says but for its date, and with the one it had last. date_at: where that begins in it,
    -1: it has none. before: the lines in front of it."""

    __slots__ = ("before", "date", "date_at", "fixed", "length", "lines", "status")

    def __init__(self, status: int, length: int, lines: list[Line], date_at: int, before: int) -> None:
        self.status = status
        self.length = length
        self.lines = lines
        self.date_at = date_at
        self.before = before
        self.date = b""
        self.fixed = FixedLines(lines)

    def on(self, date: bytes) -> FixedLines:
        """Its lines with this line for its date. Raises NotPlain."""
        if date != self.date:
            lines, before = self.lines, self.before
            self.fixed = FixedLines([*lines[:before], *_KNOWN.parse([date]), *lines[before:]])
            self.date = date
        return self.fixed


_HEADS: Final[Known[bytes, _Head]] = Known(2048)
"""What an origin says of one thing changes each second, but only in its date; so the key is all of it but that."""

_HEARD: Final[Known[int, None]] = Known(4096)
"""Hashes of those that came before: one that never comes again need not be kept."""


def plain_head(data: bytes, longest: int) -> tuple[ResponseHead, int] | None:
    """The head that data begins with, and how long it is; None when it is not plain, not whole, or longer than that.
    The response is not one to HEAD."""
    end = data.find(b"\r\n\r\n", 0, longest)
    if end < 0:
        return None
    date_at = _date(data, end)
    rest = data[:end] if date_at < 0 else data[:date_at] + data[date_at + _DATE_LINE : end]
    known = _HEADS.get(rest)
    try:
        if known is None or known.date_at != date_at:
            head = _parse(data[:end], rest, date_at)
        else:
            date = b"" if date_at < 0 else data[date_at + 2 : date_at + _DATE_LINE]
            head = ResponseHead(known.status, Fields(known.on(date)), known.length, "1.1", True)
    except NotPlain:
        return None
    return head, end + 4


def _date(data: bytes, end: int) -> int:
    """Where its line begins, with the line break; -1: none, or not as long as it should be."""
    at = data.find(b"\r\nDate: ", 0, end)
    if at < 0:
        at = data.find(b"\r\ndate: ", 0, end)
    return at if at < 0 or data.startswith(b"\r\n", at + _DATE_LINE) else -1


def _parse(head: bytes, rest: bytes, date_at: int) -> ResponseHead:
    """Raises NotPlain."""
    section = head.split(b"\r\n")
    status = _status(section.pop(0))
    if status is None:
        raise NotPlain
    lines = _KNOWN.parse(section)
    lengths = [value for name, value in lines if name == b"content-length"]
    if len(lengths) != 1 or len(lengths[0]) > _MOST_DIGITS or not lengths[0].isdigit():
        raise NotPlain
    length = int(lengths[0])
    if len(rest) <= _LONGEST_HEAD and len(section) <= _MOST_LINES:
        _learn(rest, date_at, status, length)
    fields = Fields()
    fields.lines = lines
    return ResponseHead(status, fields, length, "1.1", True)


def _learn(rest: bytes, date_at: int, status: int, length: int) -> None:
    mark = hash(rest)
    if mark not in _HEARD:
        _HEARD.keep(mark, None)
        return
    before = _KNOWN.parse(rest[:date_at].split(b"\r\n")[1:]) if date_at >= 0 else []
    _HEADS.keep(rest, _Head(status, length, _KNOWN.parse(rest.split(b"\r\n")[1:]), date_at, len(before)))


@lru_cache(maxsize=256)
def _status(line: bytes) -> int | None:
    """None also where there is no body whatever the length says."""
    match = _STATUS_LINE.fullmatch(line) if len(line) < _LONGEST_STATUS_LINE else None
    status = int(match[1]) if match else None
    return None if status in (204, 304) else status
