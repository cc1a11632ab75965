"""What the lines of a header section are, looked at once each: a decoder's table keeps the answer with the line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from proxy.codec.hpack.decoder import Entry, Kinds
from proxy.errors import ProxyError
from proxy.http import target
from proxy.http.fields import FixedLines, Line
from proxy.http.syntax import is_field_value

PLAIN: Final = 0
COOKIE: Final = 1
CONTENT_LENGTH: Final = 2
HOST: Final = 3
TE: Final = 4
EXPECT: Final = 5
DROPPED: Final = 6
RUN: Final = 7
METHOD: Final = 8
SCHEME: Final = 9
AUTHORITY: Final = 10
PATH: Final = 11
STATUS: Final = 12
"""Pseudo-header fields from METHOD on."""


class Pseudo(Entry):
    """A pseudo-header field of a request. text: the value as a request has it, None when that takes another look.
    query: of a path."""

    __slots__ = ("query", "text")

    def __init__(self, line: Line, kind: int, text: str | None, query: str | None = None) -> None:
        super().__init__(line, kind)
        self.text = text
        self.query = query


_OF_A_RUN: Final[Line] = (b"", b"")


class Run(Entry):
    """Lines in a row that were said before, and with which nothing is wrong, as one. pseudo: the pseudo-header fields
    among them. fixed: all others, as a request has them. entries: the same, one by one."""

    __slots__ = ("entries", "fixed", "pseudo")

    def __init__(self, pseudo: list[Pseudo], fixed: FixedLines, entries: list[Entry]) -> None:
        super().__init__(_OF_A_RUN, RUN)
        self.size = sum([entry.size for entry in entries])
        self.pseudo = pseudo
        self.fixed = fixed
        self.entries = entries


_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""RFC 9110 §5.6.2, RFC 9113 §8.2.1 and RFC 9114 §4.2: a token in lower case."""

_ONE_HOP = frozenset((
    b"connection", b"http2-settings", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade",
))  # fmt: skip
"""RFC 9113 §8.2.2, RFC 9114 §4.2: what they say is said by frames, and who believes them sees other messages than
we do."""

_SPECIAL = {
    b"cookie": COOKIE,
    b"content-length": CONTENT_LENGTH,
    b"host": HOST,
    b"te": TE,
    b"expect": EXPECT,
    b"proxy-authenticate": DROPPED,
    b"proxy-authorization": DROPPED,
}

_REQUEST = {b":method": METHOD, b":scheme": SCHEME, b":authority": AUTHORITY, b":path": PATH}

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}
_SCHEMES = {name.encode(): name for name in ("http", "https")}

_PATH = re.compile(rb'(/[!"$->@-~]*)(?:\?([!"$-~]*))?')
"""As a request line may have it: visible ASCII, no fragment; and in origin form only."""


def _in_request(name: bytes, value: bytes) -> Entry:
    if name[:1] != b":":
        return _field(name, value)
    line, kind = (name, value), _REQUEST.get(name)
    if kind == METHOD:
        return Pseudo(line, METHOD, _METHODS.get(value))
    if kind == SCHEME:
        return Pseudo(line, SCHEME, _SCHEMES.get(value))
    if kind == AUTHORITY:
        return Pseudo(line, AUTHORITY, _authority(value))
    if kind == PATH:
        match = _PATH.fullmatch(value)
        if match is None:
            return Pseudo(line, PATH, None)
        path, query = match.groups()
        return Pseudo(line, PATH, path.decode(), None if query is None else query.decode())
    return _unknown(line)


def _in_response(name: bytes, value: bytes) -> Entry:
    if name[:1] != b":":
        return _field(name, value)
    line = (name, value)
    return Entry(line, STATUS) if name == b":status" else _unknown(line)


def _unknown(line: Line) -> Entry:
    return Entry(line, PLAIN, f"unknown pseudo-header field {line[0]!r}")


def _authority(value: bytes) -> str | None:
    try:
        return target.authority(value)
    except ProxyError:
        return None


def _field(name: bytes, value: bytes) -> Entry:
    return Entry((name, value), _SPECIAL.get(name, PLAIN), _wrong(name, value))


def _wrong(name: bytes, value: bytes) -> str | None:
    if not _NAME.fullmatch(name):
        return f"{name!r} is not the name of a field"
    if not is_field_value(value):
        return f"the value of {name!r} has characters that no field has, or spaces around it"
    if name in _ONE_HOP:
        return f"{name!r}, which only HTTP/1.1 has"
    if name == b"te" and value.lower() != b"trailers":
        return "te with more than trailers"
    return None


def _together(entries: list[Entry]) -> Run | None:
    """None when there is anything particular about them."""
    pseudo: list[Pseudo] = []
    lines: list[Line] = []
    cookies: list[bytes] = []
    for entry in entries:
        if entry.wrong is not None:
            return None
        if entry.kind == PLAIN:
            lines.append(entry.line)
        elif entry.kind == COOKIE:
            cookies.append(entry.line[1])
        elif isinstance(entry, Pseudo) and not lines and not cookies:
            pseudo.append(entry)
        else:
            return None
    if cookies:
        lines.append(cookie(cookies))
    return Run(pseudo, FixedLines(lines), entries)


def cookie(crumbs: Sequence[bytes]) -> Line:
    """RFC 9113 §8.2.3, RFC 9114 §4.2.1"""
    return b"cookie", b"; ".join(crumbs)


REQUEST: Final = Kinds(_in_request, _together)
RESPONSE: Final = Kinds(_in_response)
