"""What a filter may write, checked before it touches a message.

Nothing a filter returns reaches the wire unchecked: an edit that would break the message (CR or LF in a value, a
framing field, a status out of range) raises Refused, which ends the run.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from proxy.exchange import Response
from proxy.exchange.observation import Source
from proxy.http.fields import Fields, Line
from proxy.http.syntax import is_authority, is_field_value, is_path, is_query, is_token

FRAMING = frozenset(
    (b"connection", b"content-length", b"keep-alive", b"proxy-connection", b"te", b"trailer",
     b"transfer-encoding", b"upgrade")
)  # fmt: skip
"""Fields that say how a message travels (RFC 9110 §7.6.1, RFC 9112 §6). They are the proxy's own."""

MOST_WRITTEN: Final = 64 * 1024
"""Bytes of names and values that one run may write: more than any server takes in a header section."""

MOST_ASKED: Final = 2 << 20
"""Bytes of names that one run may ask for, each reckoned at ASKED more: they are kept, for memo and caches."""

ASKED = 100


_LONGEST_KNOWN = 256
"""Characters of a line that is kept: filters write the same ones again and again."""


class Refused(Exception):
    """A filter asked for something that is not HTTP. The text says what and why."""


def header_name(name: str) -> bytes:
    """A field name as the proxy holds it: lower case."""
    encoded = name.encode().lower()
    if not is_token(encoded):
        raise Refused(f"{name!r} is not a field name (RFC 9110 §5.1)")
    return encoded


def header_line(name: str, value: str) -> Line:
    """A field line to write."""
    return _line(name, value) if len(name) + len(value) > _LONGEST_KNOWN else _known_line(name, value)


def _line(name: str, value: str) -> Line:
    key, encoded = header_name(name), value.encode().strip(b" \t")
    if key in FRAMING:
        raise Refused(f"the field {name!r} is set by the proxy, not by filters")
    if not is_field_value(encoded):
        raise Refused(f"the value {value!r} of the field {name!r} has a control character (RFC 9110 §5.5)")
    return key, encoded


_known_line = lru_cache(maxsize=1024)(_line)


def status(code: int) -> int:
    """A final status; interim ones are not a filter's to send."""
    if not 200 <= code <= 599:
        raise Refused(f"{code} is not a final status code (200 to 599)")
    return code


def method(method: str) -> str:
    if not is_token(method.encode()) or method == "CONNECT":
        raise Refused(f"{method!r} is not a method a filter may set")
    return method


def authority(authority: str) -> str:
    lowered = authority.lower()
    if not is_authority(lowered):
        raise Refused(f"{authority!r} is not an authority (host or host:port)")
    return lowered


def path(path: str) -> str:
    if not is_path(path):
        raise Refused(f"{path!r} is not a path: it begins with '/' and has no space, control character, '?' or '#'")
    return path


def query(query: str | None) -> str | None:
    if query is not None and not is_query(query):
        raise Refused(f"{query!r} is not a query: it has no space, control character or '#'")
    return query


def reply(reply: dict[str, Any]) -> Response:
    """The response a filter answers with (`on-request`'s `reply` record), checked."""
    body: bytes = reply["body"]
    code = status(reply["status"])
    fields = Fields()
    if sum(len(name) + len(value) for name, value in reply["headers"]) > MOST_WRITTEN:
        raise Refused(f"the reply has more than {MOST_WRITTEN} bytes of header fields")
    for name, value in reply["headers"]:
        if name.lower() == "content-length":
            # Right, it says nothing new; wrong, it would break the connection for the next exchange.
            if value.strip() != str(len(body)):
                raise Refused(f"the reply announces content-length {value!r} and has {len(body)} bytes")
            continue
        fields.append(*header_line(name, value))
    if code in (204, 304):  # RFC 9110 §15.3.5, §15.4.5: these have no content
        return Response(code, fields)
    fields.append(b"content-length", str(len(body)).encode())
    return Response(code, fields, body)


def header_source(name: bytes) -> Source:
    """What reads of this field come from."""
    return ("authority", "") if name == b"host" else ("header", name.decode())
