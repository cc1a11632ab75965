"""Range requests (RFC 9110 §14), as far as a cache answers them from what it has stored: ranges of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from proxy.http import dates
from proxy.http.fields import Fields

_SET = re.compile(rb"bytes=(.*)", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(rb"([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18})")
_CONTENT_RANGE = re.compile(rb"bytes ([0-9]{1,18})-([0-9]{1,18})/(?:([0-9]{1,18})|\*)", re.IGNORECASE)

LIMIT = 16
"""Ranges of one request; more are not worth the work (§14.2), nor are those that overlap."""

Range = tuple[int | None, int | None]
"""(first, last); (first, None) to the end, (None, n) the last n."""

Span = tuple[int, int]
"""(begin, end) of bytes."""


class Unsatisfiable(Exception):
    """No range has a byte of the representation (416, RFC 9110 §15.5.17)."""


def parse(value: bytes | None) -> list[Range] | None:
    """The ranges of a Range field; None when there are none that count: any may be ignored (§14.2)."""
    found = _SET.fullmatch(value) if value is not None else None
    if found is None:
        return None
    ranges: list[Range] = []
    for each in found[1].split(b","):
        one = _RANGE.fullmatch(each.strip(b" \t"))
        if one is None or len(ranges) == LIMIT:
            return None
        first, last, suffix = one.groups()
        if suffix is not None:
            ranges.append((None, int(suffix)))
        elif last and int(last) < int(first):
            return None  # §14.1.1: not a range
        else:
            ranges.append((int(first), int(last) if last else None))
    return ranges


def asked(request: Fields, stored: Fields, now: float) -> list[Range] | None:
    """The ranges a GET asks for of a stored representation, None for the whole. If-Range may say so (§13.1.5)."""
    ranges = parse(request.get(b"range"))
    return ranges if ranges is not None and _same(request.get(b"if-range"), stored, now) else None


def requested(request: Fields, stored: Fields, length: int, now: float) -> list[Span] | None:
    """The bytes a GET asks for, in the order it does; None for the whole. length: of the stored representation.
    Raises Unsatisfiable."""
    ranges = asked(request, stored, now)
    if ranges is None:
        return None
    spans = [span for each in ranges if (span := _span(each, length)) is not None]
    if not spans:
        raise Unsatisfiable
    return spans if sum(end - begin for begin, end in spans) <= length else None


def _span(each: Range, length: int) -> Span | None:
    first, last = each
    begin = max(0, length - (last or 0)) if first is None else first
    end = length if first is None or last is None else min(last + 1, length)
    return (begin, end) if begin < end else None


@dataclass(frozen=True, slots=True)
class ContentRange:
    """What a 206 says that it has (§14.4). complete: bytes of the whole representation, None when not known."""

    first: int
    last: int
    complete: int | None

    @property
    def ends(self) -> bool:
        """It goes to the end of the representation."""
        return self.last + 1 == self.complete

    def __bytes__(self) -> bytes:
        return f"bytes {self.first}-{self.last}/{'*' if self.complete is None else self.complete}".encode()


def content_range(fields: Fields) -> ContentRange | None:
    """None when there is no such field, or one that is not valid."""
    found = _CONTENT_RANGE.fullmatch(fields.get(b"content-range") or b"")
    if found is None:
        return None
    first, last, complete = int(found[1]), int(found[2]), int(found[3]) if found[3] else None
    return ContentRange(first, last, complete) if first <= last < (complete or last + 1) else None


def _same(condition: bytes | None, stored: Fields, now: float) -> bool:
    """If-Range (RFC 9110 §13.1.5): by strong comparison, as the client joins the part to what it has."""
    if condition is None:
        return True
    if condition.startswith((b'"', b"W/")):
        return condition == stored.get(b"etag") and not condition.startswith(b"W/")
    modified, date = stored.get(b"last-modified"), dates.parse(stored.get(b"date") or b"", now)
    when = dates.parse(condition, now)
    # §8.8.2.2: a date is strong if the origin could not have changed the content twice in that second
    return condition == modified and when is not None and date is not None and date >= when + 1
