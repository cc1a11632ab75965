"""Heads of responses as bytes of HTTP/1.1 (RFC 9112 §4, §5)."""

from __future__ import annotations

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Line
from proxy.http.hop_by_hop import HOP_BY_HOP
from proxy.http.status import REASONS, reason

_FINAL = {status: f"HTTP/1.1 {status} {phrase}".encode() for status, phrase in REASONS.items() if status >= 200}
_CONNECTION = HOP_BY_HOP | {b"content-length"}
_LOOKED_AT = _CONNECTION | {b"date"}


def encode_interim(status: int, lines: list[Line]) -> bytes:
    """A response whose status is 1xx. Raises ProxyError as `encode_head` does."""
    status_line = f"HTTP/1.1 {status} {reason(status)}".encode()
    return _section([status_line, *(b": ".join(line) for line in lines if line[0] not in _CONNECTION)])


def encode_head(status: int, lines: list[Line], date: bytes, framing: list[bytes]) -> bytes:
    """date: the line for a response that has none. framing: the lines that say where the body ends and whether the
    connection goes on; what `lines` has to say about that is left out.

    Raises ProxyError (proxy_internal_error) when a line would not stay one: nothing that a stage made up can become
    another field or another response.
    """
    section = [_FINAL.get(status) or _unusual(status)]
    for line in lines:
        if line[0] in _LOOKED_AT:
            if line[0] != b"date":
                continue
            date = b""
        section.append(b": ".join(line))
    if date:
        section.append(date)
    section += framing
    return _section(section)


def _unusual(status: int) -> bytes:
    if not 200 <= status <= 599:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a response with status {status}")
    return f"HTTP/1.1 {status} ".encode()


def _section(lines: list[bytes]) -> bytes:
    lines.append(b"\r\n")
    section = b"\r\n".join(lines)
    if len(section) - len(section.translate(None, b"\r\n\0")) != 2 * len(lines):
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, "a stage made a field that has CR, LF or NUL in it")
    return section
