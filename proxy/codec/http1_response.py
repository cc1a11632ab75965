"""Heads of responses as bytes of HTTP/1.1 (RFC 9112 §4, §5)."""

from __future__ import annotations

from typing import Final

from proxy import errors
from proxy.codec.line_breaks import check
from proxy.errors import ProxyError
from proxy.http.fields import FixedLines, Line
from proxy.http.hop_by_hop import HOP_BY_HOP
from proxy.http.status import REASONS, reason

_FINAL: Final = {status: f"HTTP/1.1 {status} {phrase}".encode() for status, phrase in REASONS.items() if status >= 200}
_CONNECTION: Final = HOP_BY_HOP | {b"content-length"}
_LOOKED_AT: Final = _CONNECTION | {b"date"}
_END: Final = b"\r\n"


def encode_interim(status: int, lines: list[Line]) -> bytes:
    """A response whose status is 1xx. Raises ProxyError as `encode_head` does."""
    status_line = f"HTTP/1.1 {status} {reason(status)}".encode()
    return _section([status_line, *_kept(lines)])


def encode_switch(lines: list[Line], protocol: bytes) -> bytes:
    """The head of a 101; what comes after it is spoken in this protocol. Raises ProxyError as `encode_head` does."""
    start = f"HTTP/1.1 101 {reason(101)}".encode()
    return _section([start, b"connection: upgrade", b"upgrade: " + protocol, *_kept(lines)])


def encode_head(
    status: int, lines: list[Line], date: bytes, framing: list[bytes], fixed: FixedLines | None = None
) -> bytes:
    """date: the line for a response that has none. framing: the lines that say where the body ends and whether the
    connection goes on; what `lines` has to say about that is left out. fixed: what `lines` most likely begins with.

    Raises ProxyError (proxy_internal_error) when a line would not stay one: nothing that a stage made up can become
    another field or another response.
    """
    start = _FINAL.get(status) or _unusual(status)
    dated = False
    if fixed is not None and lines[: len(fixed.lines)] == fixed.lines:
        start += _encode(fixed) if fixed.http1 is None else fixed.http1
        lines, dated = lines[len(fixed.lines) :], fixed.dated
    section = [b""]
    for name, value in lines:
        if name in _LOOKED_AT:
            if name in _CONNECTION:
                continue
            dated = True
        section.append(name + b": " + value)
    check(section)
    if not dated and date:
        section.append(date)
    section += framing
    section.append(_END)
    return start + _END.join(section)


def _encode(fixed: FixedLines) -> bytes:
    section = [b"", *_kept(fixed.lines)]
    check(section)
    fixed.http1 = _END.join(section)
    return fixed.http1


def _kept(lines: list[Line]) -> list[bytes]:
    return [name + b": " + value for name, value in lines if name not in _CONNECTION]


def _unusual(status: int) -> bytes:
    if not 200 <= status <= 599:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a response with status {status}")
    return f"HTTP/1.1 {status} ".encode()


def _section(lines: list[bytes]) -> bytes:
    check(lines)
    lines.append(_END)
    return _END.join(lines)
