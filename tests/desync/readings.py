"""How servers of all kinds would read a stream of requests: from the strict to the most careless.

What a proxy forwards must be the same to all of them, or one of them sees a request that the proxy did not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

Read = list[tuple[bytes, bytes]]
"""Request lines and bodies; what has no end has the body b"(cut off)"."""

CUT_OFF = b"(cut off)"


@dataclass(frozen=True)
class Reader:
    """chunked_first: Transfer-Encoding counts before Content-Length. loose_lines: a line ends with LF, too.
    loose_names: blanks, control characters and underscores in names do not matter. loose_coding: any value with chunked
    in it is. last_length: of several lengths the last one counts."""

    chunked_first: bool
    loose_lines: bool
    loose_names: bool
    loose_coding: bool
    last_length: bool

    def read(self, data: bytes) -> Read:
        return list(self._requests(data))

    def _requests(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        while data:
            head = re.compile(rb"\r?\n\r?\n" if self.loose_lines else rb"\r\n\r\n").search(data)
            if head is None:
                yield data, CUT_OFF
                return
            lines = re.split(rb"\r?\n|\r" if self.loose_lines else rb"\r\n", data[: head.start()])
            body, data = self._body(lines[1:], data[head.end() :])
            yield lines[0], body

    def _body(self, lines: list[bytes], rest: bytes) -> tuple[bytes, bytes]:
        codings = self._values(lines, b"transfer-encoding")
        lengths = self._values(lines, b"content-length")
        chunked = any(b"chunked" in coding.lower() if self.loose_coding else coding == b"chunked" for coding in codings)
        if chunked and (self.chunked_first or not lengths):
            return self._chunked(rest)
        if not lengths:
            return b"", rest
        digits = re.search(rb"[0-9]+", lengths[-1 if self.last_length else 0])
        length = int(digits[0]) if digits else 0
        return (rest[:length], rest[length:]) if len(rest) >= length else (CUT_OFF, b"")

    def _values(self, lines: list[bytes], wanted: bytes) -> list[bytes]:
        found = []
        for line in lines:
            name, colon, value = line.partition(b":")
            name = name.lower()
            if self.loose_names:
                name = re.sub(rb"[^a-z-]", b"", name.replace(b"_", b"-"))
            if colon and name == wanted:
                found.append(value.strip(b" \t\x0b\x0c\0"))
        return found

    def _chunked(self, rest: bytes) -> tuple[bytes, bytes]:
        end_of_line = re.compile(rb"\r?\n" if self.loose_lines else rb"\r\n")
        body = b""
        while line := end_of_line.search(rest):
            digits = re.match(rb"\s*(?:0x)?([0-9a-fA-F]*)", rest)
            size = int(digits[1] or b"0", 16) if digits else 0
            rest = rest[line.end() :]
            if size == 0:
                end = re.search(rb"(?:^|\n)\r?\n" if self.loose_lines else rb"(?:^|\r\n)\r\n", rest)
                return (body, rest[end.end() :]) if end else (CUT_OFF, b"")
            body += rest[:size]
            rest = end_of_line.sub(b"", rest[size : size + 2], count=1) + rest[size + 2 :]
        return CUT_OFF, b""


READERS = [Reader(*choice) for choice in product((True, False), repeat=5)]


def readings(data: bytes) -> list[Read]:
    """All that differ."""
    found: list[Read] = []
    for reader in READERS:
        read = reader.read(data)
        if read not in found:
            found.append(read)
    return found
