"""Heads of responses as bytes of HTTP/1.1 (RFC 9112 §4, §5)."""

from __future__ import annotations

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Line
from proxy.http.hop_by_hop import HOP_BY_HOP
from proxy.http.status import REASONS

_STATUS_LINES = {status: f"HTTP/1.1 {status} {phrase}".encode() for status, phrase in REASONS.items()}
_CONNECTION = HOP_BY_HOP | {b"content-length"}
_LOOKED_AT = _CONNECTION | {b"date"}


def encode_interim(status: int, lines: list[Line]) -> bytes:
    """A 1xx response. Raises ProxyError as `encode_head` does."""
    return _section([_status_line(status, 100), *(b": ".join(line) for line in lines if line[0] not in _CONNECTION)])


def encode_head(status: int, lines: list[Line], date: bytes, framing: list[bytes]) -> bytes:
    """date: the line for a response that has none. framing: the lines that say where the body ends and whether the
    connection goes on; what `lines` has to say about that is left out.

    Raises ProxyError (proxy_internal_error) when a line would not stay one: nothing that a stage made up can become
    another field or another response.
    """
    section = [_status_line(status, 200)]
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


def _status_line(status: int, least: int) -> bytes:
    if not least <= status <= 599:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a response with status {status}")
    return _STATUS_LINES.get(status) or f"HTTP/1.1 {status} ".encode()


def _section(lines: list[bytes]) -> bytes:
    ends = len(lines) + 1
    lines.append(b"\r\n")
    section = b"\r\n".join(lines)
    if section.count(b"\n") != ends or section.count(b"\r") != ends or b"\0" in section:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, "a stage made a field that has CR, LF or NUL in it")
    return section
