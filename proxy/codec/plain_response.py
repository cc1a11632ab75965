"""Heads of responses as nearly all are: HTTP/1.1, whole in one read, with a body of known length, and nothing about the
connection but that it stays.

Origins say the same things again and again, so each line is looked at once and known from then on. Whatever is not
plain is left to llhttp, which also names what is wrong with it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from operator import itemgetter

from proxy.codec.events import ResponseHead
from proxy.http.fields import Fields, Line
from proxy.http.hop_by_hop import HOP_BY_HOP

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")

_LONGEST_KNOWN = 256
"""Bytes of a line that is kept: what differs from response to response, like cookies, tends to be long."""

_STAYS = (b"connection", b"keep-alive")
_NAME = itemgetter(0)


def plain_head(data: bytes, longest: int) -> tuple[ResponseHead, int] | None:
    """The head that data begins with, and how long it is; None when it is not plain, not whole, or longer than that.
    The response is not one to HEAD."""
    end = data.find(b"\r\n\r\n", 0, longest)
    if end < 0:
        return None
    status_line, *section = data[:end].split(b"\r\n")
    status = _status(status_line)
    if status is None:
        return None
    lines = [_known(line) if len(line) <= _LONGEST_KNOWN else _parsed(line) for line in section]
    if None in lines:
        return None
    kept = [line for line in lines if line is not None and line is not _STAYS]
    lengths = [value for name, value in kept if name == b"content-length"]
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]) or not HOP_BY_HOP.isdisjoint(map(_NAME, kept)):
        return None
    fields = Fields()
    fields.lines = kept
    return ResponseHead(status, fields, int(lengths[0]), "1.1", True), end + 4


@lru_cache(maxsize=256)
def _status(line: bytes) -> int | None:
    """None also where there is no body whatever the length says."""
    match = _STATUS_LINE.fullmatch(line) if len(line) < _LONGEST_KNOWN else None
    status = int(match[1]) if match else None
    return None if status in (204, 304) else status


def _parsed(line: bytes) -> Line | None:
    match = _FIELD_LINE.fullmatch(line)
    if match is None:
        return None
    name, value = match[1].lower(), match[2].rstrip(b" \t")
    stays = name == b"keep-alive" or (name == b"connection" and value.lower() == b"keep-alive")
    return _STAYS if stays else (name, value)


_known = lru_cache(maxsize=4096)(_parsed)
