"""Heads of responses as lines of a header section (RFC 9113 §8.3.2, RFC 9114 §4.3.2)."""

from __future__ import annotations

from operator import itemgetter

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Fields, Line
from proxy.http.framing import announced_length, response_has_body
from proxy.http.hop_by_hop import HOP_BY_HOP

_STATUS = {status: (b":status", b"%d" % status) for status in range(100, 600)}
_CONNECTION = HOP_BY_HOP | {b"content-length"}
_LOOKED_AT = _CONNECTION | {b"date"}
_NAME = itemgetter(0)


def response_lines(method: str, status: int, fields: Fields, date: Line, length: int | None) -> tuple[list[Line], bool]:
    """The lines of a final response, and whether a body follows. date: for a response that has none. length: of the
    body, None when only its end tells. Raises ProxyError (proxy_internal_error) for a status that is none."""
    if not 200 <= status <= 599:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a response with status {status}")
    lines = fields.lines
    has_body = response_has_body(method, status)
    size = (b"%d" % length if length is not None else None) if has_body else announced_length(status, fields)
    names = map(_NAME, lines)
    if not _LOOKED_AT.isdisjoint(names):
        lines = [line for line in lines if line[0] not in _CONNECTION]
        if b"date" in map(_NAME, lines):
            return [_STATUS[status], *lines, *_length(size)], has_body
    return [_STATUS[status], *lines, date, *_length(size)], has_body


def _length(size: bytes | None) -> list[Line]:
    return [] if size is None else [(b"content-length", size)]


def interim_lines(status: int, fields: Fields) -> list[Line]:
    return [_STATUS[status], *(line for line in fields.lines if line[0] not in _CONNECTION)]
