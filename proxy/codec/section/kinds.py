"""What the lines of a header section are, looked at once each: a decoder's table keeps the answer with the line."""

from __future__ import annotations

import re
from collections.abc import Sequence

from proxy.codec.hpack.decoder import Entry, Kinds
from proxy.http.fields import FixedLines, Line
from proxy.http.syntax import is_field_value

PLAIN, COOKIE, CONTENT_LENGTH, HOST, TE, EXPECT, DROPPED, METHOD, SCHEME, AUTHORITY, PATH, STATUS = range(12)


class Run:
    """Lines in a row that were said before, and with which nothing is wrong, as the kind of one. pseudo: kind and value
    of their pseudo-header fields. fixed: all others, as a request has them. entries: the same, one by one."""

    __slots__ = ("entries", "fixed", "pseudo")

    def __init__(self, pseudo: Sequence[tuple[int, bytes]], fixed: FixedLines, entries: Sequence[Entry[Kind]]) -> None:
        self.pseudo = pseudo
        self.fixed = fixed
        self.entries = entries


Kind = int | str | Run
"""One of the above, or what is wrong with the line."""

PSEUDO = frozenset((METHOD, SCHEME, AUTHORITY, PATH, STATUS))

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


def _in_request(name: bytes, value: bytes) -> Kind:
    return _pseudo(name, _REQUEST) if name[:1] == b":" else _field(name, value)


def _in_response(name: bytes, value: bytes) -> Kind:
    return _pseudo(name, {b":status": STATUS}) if name[:1] == b":" else _field(name, value)


def _pseudo(name: bytes, known: dict[bytes, int]) -> Kind:
    return known.get(name) or f"unknown pseudo-header field {name!r}"


def _field(name: bytes, value: bytes) -> Kind:
    if not _NAME.fullmatch(name):
        return f"{name!r} is not the name of a field"
    if not is_field_value(value):
        return f"the value of {name!r} has characters that no field has, or spaces around it"
    if name in _ONE_HOP:
        return f"{name!r}, which only HTTP/1.1 has"
    if name == b"te" and value.lower() != b"trailers":
        return "te with more than trailers"
    return _SPECIAL.get(name, PLAIN)


def _together(entries: Sequence[Entry[Kind]]) -> Run | None:
    """None when there is anything particular about them."""
    pseudo: list[tuple[int, bytes]] = []
    lines: list[Line] = []
    cookies: list[bytes] = []
    for line, kind, _ in entries:
        if kind == PLAIN:
            lines.append(line)
        elif kind == COOKIE:
            cookies.append(line[1])
        elif isinstance(kind, int) and kind in PSEUDO and not lines and not cookies:
            pseudo.append((kind, line[1]))
        else:
            return None
    if cookies:
        lines.append(cookie(cookies))
    return Run(pseudo, FixedLines(lines), entries)


def cookie(crumbs: Sequence[bytes]) -> Line:
    """RFC 9113 §8.2.3, RFC 9114 §4.2.1"""
    return b"cookie", b"; ".join(crumbs)


REQUEST: Kinds[Kind] = Kinds(_in_request, _together)
RESPONSE: Kinds[Kind] = Kinds(_in_response)
