"""Field lines of HTTP/1.1 that are plain, and were seen before.

Clients and origins say the same of themselves again and again, so a line is looked at once, and known from then on.
Whatever is not plain is for llhttp, which also names what is wrong with it.
"""

from __future__ import annotations

import re
from typing import Final, cast

from proxy.http.fields import Line
from proxy.http.known import Known
from proxy.http.syntax import is_token

_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
"""RFC 9112 §5: no control character, so no line folding."""

_LONGEST, _LONGEST_NAME = 256, 64
"""Bytes of a line that is kept: what differs from message to message, like some cookies, tends to be long."""

_STAYS: Final[object] = (b"connection", b"keep-alive")
"""What every browser and most servers say, and which means nothing in HTTP/1.1."""


class NotPlain(Exception):
    """A line that has to be looked at."""


class KnownLines:
    """What each line says. special: names of fields of which no line is plain."""

    __slots__ = ("_lines", "_names", "_special")

    def __init__(self, special: frozenset[bytes]) -> None:
        self._special = special
        self._lines: Known[bytes, object] = Known(4096)  # a Line, as compiled code would take apart and make anew
        self._names: Known[bytes, bytes] = Known(1024)  # as they are written, and in lower case

    def __len__(self) -> int:
        return len(self._lines)

    def parse(self, section: list[bytes]) -> list[Line]:
        """section: lines without their ends. Raises NotPlain."""
        known, lines = self._lines, []
        for text in section:
            line = known.get(text)
            if line is None:
                line = self._parse(text)
            if line is not _STAYS:
                lines.append(line)
        return cast(list[Line], lines)

    def _parse(self, text: bytes) -> object:
        colon = text.find(b":")
        name = self._name(text[:colon]) if colon > 0 else b""
        if not name:
            raise NotPlain
        value = text[colon + 1 :].strip(b" \t")
        if not value.decode("latin-1").isprintable() and not _VALUE.fullmatch(value):
            raise NotPlain
        line: object = name, value
        if name == b"keep-alive" or (name == b"connection" and value.lower() == b"keep-alive"):
            line = _STAYS
        elif name in self._special:
            raise NotPlain
        if len(text) <= _LONGEST:
            self._lines.keep(text, line)
        return line

    def _name(self, text: bytes) -> bytes:
        """Empty where it is none."""
        name = self._names.get(text)
        if name is None:
            name = text.lower() if is_token(text) else b""
            if len(text) <= _LONGEST_NAME:
                self._names.keep(text, name)
        return name
