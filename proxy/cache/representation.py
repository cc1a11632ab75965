"""What of an entry answers a request: all of it, a part, or that the client has it already."""

from __future__ import annotations

from proxy.cache.entry import Content, Entry
from proxy.exchange import Request, Response
from proxy.http import ranges
from proxy.http.conditional import not_modified, without_content
from proxy.http.fields import Fields


def representation(entry: Entry, request: Request, now: float) -> Response:
    """The answer from an entry, with fields of its own; without Age. Conditions come before ranges (RFC 9110
    §13.2.2), and both are about what a 200 carries."""
    stored = Fields(entry.lines)
    if entry.status == 200 and not_modified(request.fields, stored, entry.received_at):
        return Response(304, Fields(without_content(entry.lines)), b"", entry.tags)
    if request.method == "HEAD":
        return Response(entry.status, stored, b"", entry.tags)
    if entry.status == 200:
        length = len(entry.body)
        try:
            bounds = ranges.requested(request.fields, stored, length, now)
        except ranges.Unsatisfiable:
            # Its own, so that no cache above takes the freshness of the whole for that of the refusal.
            return _sized(416, Fields([(b"cache-control", b"no-store")]), f"*/{length}", b"", entry)
        if bounds is not None:
            begin, end = bounds
            return _sized(206, stored, f"{begin}-{end - 1}/{length}", entry.body[begin:end], entry)
    return Response(entry.status, stored, entry.body, entry.tags)


def _sized(status: int, fields: Fields, content_range: str, body: Content, entry: Entry) -> Response:
    fields.set(b"content-range", f"bytes {content_range}".encode())
    fields.set(b"content-length", str(len(body)).encode())
    return Response(status, fields, body, entry.tags)
