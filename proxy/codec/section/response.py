"""Heads of responses as lines of a header section (RFC 9113 §8.3.2, RFC 9114 §4.3.2)."""

from __future__ import annotations

from operator import itemgetter
from typing import Final

from proxy import errors
from proxy.errors import ProxyError
from proxy.http.fields import Change, Fields, FixedLines, Line
from proxy.http.framing import announced_length, response_has_body
from proxy.http.hop_by_hop import HOP_BY_HOP

_STATUS: Final = {status: (b":status", b"%d" % status) for status in range(100, 600)}
_CONNECTION: Final = HOP_BY_HOP | {b"content-length"}
_LOOKED_AT: Final = _CONNECTION | {b"date"}
_NAME: Final = itemgetter(0)

_begun: Final[dict[int, Change]] = {}
"""By status: what makes the lines that a section begins with of those of a response."""


def response_lines(
    method: str, status: int, fields: Fields, date: Line, length: int | None
) -> tuple[FixedLines | None, list[Line], bool]:
    """A final response as a section: what it begins with, if that is likely to come again, and all other lines; and
    whether a body follows. date: for a response that has none. length: of the body, None when only its end tells.

    Raises ProxyError (proxy_internal_error) for a status that is none."""
    if not 200 <= status <= 599:
        raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"a stage made a response with status {status}")
    has_body = response_has_body(method, status)
    size = (b"%d" % length if length is not None else None) if has_body else announced_length(status, fields)
    rest, fixed, begun = fields.lines, fields.fixed, None
    if fixed is not None and rest[: len(fixed.lines)] == fixed.lines:
        begun = fixed.after(_begun.get(status) or _beginning(status))
        rest = rest[len(fixed.lines) :]
    dated = begun is not None and begun.dated
    if not _stay(rest):
        rest = _end_to_end(rest)
        dated = dated or b"date" in map(_NAME, rest)
    lines = [*rest] if begun is not None else [_STATUS[status], *rest]
    if not dated:
        lines.append(date)
    if size is not None:
        lines.append((b"content-length", size))
    return begun, lines, has_body


def _beginning(status: int) -> Change:
    def begin(lines: list[Line]) -> list[Line]:
        return [_STATUS[status], *_end_to_end(lines)]

    return _begun.setdefault(status, begin)


def _stay(lines: list[Line]) -> bool:
    """They are sent as they are, and none is the date."""
    for name, _ in lines:  # noqa: SIM110  # one or two most often: isdisjoint and map take longer to begin
        if name in _LOOKED_AT:
            return False
    return True


def _end_to_end(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line[0] not in _CONNECTION]


def interim_lines(status: int, fields: Fields) -> list[Line]:
    return [_STATUS[status], *_end_to_end(fields.lines)]
