"""Field lines of HTTP/1.1 that are plain, and were seen before.

Clients and origins say the same of themselves again and again, so a line is looked at once, and known from then on.
Whatever is not plain is for llhttp, which also names what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from proxy.http.fields import Line

_FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
"""RFC 9112 §5: no space before the colon, no line folding, and no control character."""

_LONGEST = 256
"""Bytes of a line that is kept: what differs from message to message, like some cookies, tends to be long."""

_MOST = 4096
"""Lines that are kept. Then all are forgotten: most of them were said once, and the others are soon known again."""

_STAYS: Line = (b"connection", b"keep-alive")
"""What every browser and most servers say, and which means nothing in HTTP/1.1."""


class NotPlain(Exception):
    """A line that has to be looked at."""


class KnownLines(dict[bytes, Line]):
    """What each line says. special: names of fields of which no line is plain."""

    def __init__(self, special: frozenset[bytes]) -> None:
        self._special = special

    def parse(self, section: Iterable[bytes]) -> list[Line]:
        """section: lines without their ends. Raises NotPlain."""
        return [line for line in map(self.__getitem__, section) if line is not _STAYS]

    def __missing__(self, line: bytes) -> Line:
        match = _FIELD_LINE.fullmatch(line)
        if match is None:
            raise NotPlain
        name, value = match[1].lower(), match[2].rstrip(b" \t")
        parsed = name, value
        if name == b"keep-alive" or (name == b"connection" and value.lower() == b"keep-alive"):
            parsed = _STAYS
        elif name in self._special:
            raise NotPlain
        if len(line) <= _LONGEST:
            if len(self) == _MOST:
                self.clear()
            self[line] = parsed
        return parsed
