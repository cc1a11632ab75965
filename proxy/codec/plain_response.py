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
from proxy.http.fields import Fields
from proxy.http.hop_by_hop import HOP_BY_HOP

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([2-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
_LONGEST_STATUS_LINE = 256
_LENGTH: Final = re.compile(rb"[0-9]{1,18}")
_KNOWN: Final = KnownLines(HOP_BY_HOP)


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
    fields = Fields()
    try:
        lines = fields.lines = _KNOWN.parse(section)
    except NotPlain:
        return None
    lengths = [value for name, value in lines if name == b"content-length"]
    if len(lengths) != 1 or not _LENGTH.fullmatch(lengths[0]):
        return None
    return ResponseHead(status, fields, int(lengths[0]), "1.1", True), end + 4


@lru_cache(maxsize=256)
def _status(line: bytes) -> int | None:
    """None also where there is no body whatever the length says."""
    match = _STATUS_LINE.fullmatch(line) if len(line) < _LONGEST_STATUS_LINE else None
    status = int(match[1]) if match else None
    return None if status in (204, 304) else status
