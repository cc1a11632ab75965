"""Heads of responses as bytes of HTTP/1.1 (RFC 9112 §4, §5)."""

from __future__ import annotations

from operator import itemgetter
from typing import Final

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import FixedLines, Line
from proxy.http.hop_by_hop import HOP_BY_HOP
from proxy.http.status import REASONS, reason

_FINAL: Final = {status: f"HTTP/1.1 {status} {phrase}".encode() for status, phrase in REASONS.items() if status >= 200}
_CONNECTION: Final = HOP_BY_HOP | {b"content-length"}
_LOOKED_AT: Final = _CONNECTION | {b"date"}
_COLON, _END = b": ", b"\r\n"
_NAME: Final = itemgetter(0)


def encode_interim(status: int, lines: list[Line]) -> bytes:
    """A response whose status is 1xx. Raises ProxyError as `encode_head` does."""
    status_line = f"HTTP/1.1 {status} {reason(status)}".encode()
    return _section([status_line, *(_COLON.join(line) for line in lines if line[0] not in _CONNECTION)])


def encode_switch(lines: list[Line], protocol: bytes) -> bytes:
    """The head of a 101; what comes after it is spoken in this protocol. Raises ProxyError as `encode_head` does."""
    kept = [_COLON.join(line) for line in lines if line[0] not in _CONNECTION]
    start = f"HTTP/1.1 101 {reason(101)}".encode()
    return _section([start, b"connection: upgrade", b"upgrade: " + protocol, *kept])


def encode_head(
    status: int, lines: list[Line], date: bytes, framing: list[bytes], fixed: FixedLines | None = None
) -> bytes:
    """date: the line for a response that has none. framing: the lines that say where the body ends and whether the
    connection goes on; what `lines` has to say about that is left out. fixed: what `lines` most likely begins with.

    Raises ProxyError (proxy_internal_error) when a line would not stay one: nothing that a stage made up can become
    another field or another response.
    """
    start = _FINAL.get(status) or _unusual(status)
    if fixed is not None and lines[: len(fixed.lines)] == fixed.lines:
        start += fixed.http1 or _encode(fixed)
        lines = lines[len(fixed.lines) :]
        if fixed.dated:
            date = b""
    if not _LOOKED_AT.isdisjoint(map(_NAME, lines)):
        lines = [line for line in lines if line[0] not in _CONNECTION]
        if b"date" in map(_NAME, lines):
            date = b""
    section = [b"", *map(_COLON.join, lines)]
    if date:
        section.append(date)
    section += framing
    return start + _section(section)


def _encode(fixed: FixedLines) -> bytes:
    kept = [line for line in fixed.lines if line[0] not in _CONNECTION]
    fixed.http1 = _section([b"", *map(_COLON.join, kept)]).removesuffix(2 * _END)
    return fixed.http1


def _unusual(status: int) -> bytes:
    if not 200 <= status <= 599:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a response with status {status}")
    return f"HTTP/1.1 {status} ".encode()


def _section(lines: list[bytes]) -> bytes:
    lines.append(_END)
    section = b"\r\n".join(lines)
    if len(section) - len(section.translate(None, b"\r\n\0")) != 2 * len(lines):
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, "a stage made a field that has CR, LF or NUL in it")
    return section
