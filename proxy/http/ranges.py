"""Range requests (RFC 9110 §14), as far as a whole stored representation answers them: one range of bytes."""

from __future__ import annotations

import re

from proxy.http import dates
from proxy.http.fields import Fields

_ONE_RANGE = re.compile(rb"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range has no byte of the representation (416, RFC 9110 §15.5.17)."""


def requested(request: Fields, stored: Fields, length: int, now: float) -> tuple[int, int] | None:
    """(first, end) of the bytes a GET asks for; None for the whole, which any Range may be answered with (§14.2), and
    several ranges are. length: bytes of the stored representation. Raises Unsatisfiable."""
    value = request.get(b"range")
    found = _ONE_RANGE.fullmatch(value) if value is not None else None
    if found is None or not _same(request.get(b"if-range"), stored, now):
        return None
    first, last = found[1], found[2]
    if not first and not last:
        return None
    if not first:
        begin, end = max(0, length - int(last)), length
    else:
        begin, end = int(first), min(int(last) + 1, length) if last else length
        if last and int(last) < begin:
            return None  # §14.1.1: not a range, so ignored
    if begin >= length:
        raise Unsatisfiable
    return begin, end


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
