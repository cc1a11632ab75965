"""What the lines of a header section are, looked at once each: a decoder's table keeps the answer with the line."""

from __future__ import annotations

import re

from proxy.codec.hpack.decoder import Kinds
from proxy.http.syntax import is_field_value

PLAIN, COOKIE, CONTENT_LENGTH, HOST, TE, EXPECT, DROPPED, METHOD, SCHEME, AUTHORITY, PATH, STATUS = range(12)

Kind = int | str
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


REQUEST: Kinds[Kind] = Kinds(_in_request)
RESPONSE: Kinds[Kind] = Kinds(_in_response)
