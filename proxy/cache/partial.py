"""Stored parts: responses with status 206, of one contiguous range (RFC 9111 §3.3, §3.4).

A part answers requests for ranges within it. Parts that touch are joined when they have the same strong validator, and
are a whole once nothing is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from proxy.cache.entry import Content
from proxy.exchange import Request
from proxy.http import ranges
from proxy.http.fields import Fields, Line
from proxy.http.ranges import ContentRange, Range

OF_THIS_PART = frozenset((b"content-digest", b"content-length", b"content-md5", b"content-range"))
"""Fields about the bytes of one message. Repr-Digest is about the whole, in whatever parts it comes (RFC 9530 §3)."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes of a 206 and what it says that they are."""

    lines: list[Line]
    body: Content
    range: ContentRange

    @property
    def is_exact(self) -> bool:
        """It has as many bytes as it says. If not it is the origin's word, and is passed on as such, but nothing is
        made of it."""
        return len(self.body) == self.range.last - self.range.first + 1

    @property
    def strong(self) -> bytes | None:
        """Its strong validator."""
        etag = Fields(self.lines).get(b"etag")
        return etag if etag is not None and etag.startswith(b'"') else None

    @property
    def end(self) -> int:
        return self.range.last + 1


def part(lines: list[Line], body: Content) -> Part | None:
    """None when there is no Content-Range that is valid, as in a multipart response."""
    found = ranges.content_range(Fields(lines))
    return None if found is None else Part(lines, body, found)


def pieces(held: Part, request: Request, now: float) -> list[tuple[int, Content]] | None:
    """(first, bytes) of each range that a GET asks for; None unless all of them lie within."""
    asked = ranges.asked(request.fields, Fields(held.lines), now) if request.method == "GET" else None
    if asked is not None and len(asked) > 1 and not isinstance(held.body, bytes):
        return None
    found = [_piece(held, each) for each in asked or ()]
    return [piece for piece in found if piece is not None] if found and None not in found else None


def _piece(held: Part, asked: Range) -> tuple[int, Content] | None:
    """Counted from the end of the part that the request counts from."""
    first, last = asked
    if first is None:
        count = last or 0
        if not held.range.ends or held.range.complete is None or not 0 < count <= len(held.body):
            return None
        return held.range.complete - count, held.body[-count:]
    begin = first - held.range.first
    end = (
        len(held.body) if last is None or (held.range.ends and last > held.range.last) else last + 1 - held.range.first
    )
    if begin < 0 or not begin < end <= len(held.body) or (last is None and not held.range.ends):
        return None
    return first, held.body[begin:end]


def missing(held: Part) -> list[Line] | None:
    """The fields that ask for what a part lacks, if that is one range and can be joined to it (§3.4)."""
    etag, complete = held.strong, held.range.complete
    if etag is None or complete is None or not held.is_exact or not isinstance(held.body, bytes):
        return None
    if held.range.first == 0 and not held.range.ends:
        return [(b"range", b"bytes=%d-" % held.end), (b"if-range", etag)]
    if held.range.first > 0 and held.range.ends:
        return [(b"range", b"bytes=0-%d" % (held.range.first - 1)), (b"if-range", etag)]
    return None


def joined(old: Part, new: Part) -> Part:
    """Both in one, with the fields of the newer (RFC 9110 §15.3.7.3); the newer if they do not belong together."""
    alike = old.strong is not None and old.strong == new.strong and old.range.complete == new.range.complete
    touch = old.range.first <= new.end and new.range.first <= old.end
    if not (alike and touch and old.is_exact and new.is_exact):
        return new
    first, second = (old, new) if old.range.first <= new.range.first else (new, old)
    beginning, more = first.body, second.body[max(0, first.end - second.range.first) :]
    if not (isinstance(beginning, bytes) and isinstance(more, bytes)):
        return new  # from disk: not worth reading it into memory
    body = beginning + more
    span = ContentRange(first.range.first, first.range.first + len(body) - 1, new.range.complete)
    kept = [line for line in new.lines if line[0] not in OF_THIS_PART]
    kept += [(b"content-range", bytes(span)), (b"content-length", b"%d" % len(body))]
    return Part(kept, body, span)


def is_whole(held: Part) -> bool:
    return held.range.first == 0 and held.range.ends and held.is_exact
