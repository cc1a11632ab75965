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
    body, None when only its end tells.

    Raises ProxyError (proxy_internal_error) for a status that is none."""
    if not 200 <= status <= 599:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a response with status {status}")
    has_body = response_has_body(method, status)
    size = (b"%d" % length if length is not None else None) if has_body else announced_length(status, fields)
    lines = [_STATUS[status]]
    rest, fixed, dated = fields.lines, fields.fixed, False
    if fixed is not None and rest[: len(fixed.lines)] == fixed.lines:
        rest, kept = rest[len(fixed.lines) :], fixed.after(_end_to_end)
        lines += kept.lines
        dated = kept.dated
    if not _LOOKED_AT.isdisjoint(map(_NAME, rest)):
        rest = _end_to_end(rest)
        dated = dated or b"date" in map(_NAME, rest)
    lines += rest
    if not dated:
        lines.append(date)
    if size is not None:
        lines.append((b"content-length", size))
    return lines, has_body


def _end_to_end(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line[0] not in _CONNECTION]


def interim_lines(status: int, fields: Fields) -> list[Line]:
    return [_STATUS[status], *_end_to_end(fields.lines)]
