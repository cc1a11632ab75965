"""What of an entry answers a request: all of it, parts, or that the client has it already."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from proxy.cache.entry import Content, Entry
from proxy.cache.partial import OF_THIS_PART, part, pieces
from proxy.exchange import Request, Response
from proxy.http import ranges
from proxy.http.conditional import not_modified, without_content
from proxy.http.fields import Fields


def representation(entry: Entry, request: Request, now: float) -> Response:
    """The answer from an entry, with fields of its own; without Age. Conditions come before ranges (RFC 9110
    §13.2.2), and both are about what a 200 carries."""
    stored = Fields(entry.lines)
    if entry.status in (200, 206) and not_modified(request.fields, stored, entry.received_at):
        return Response(304, Fields(without_content(entry.lines)), b"", entry.tags)
    if request.method == "HEAD":
        return Response(entry.status, stored, b"", entry.tags)
    if entry.status == 206:
        held = part(entry.lines, entry.body)
        assert held is not None
        return _partial(entry, pieces(held, request, now) or (), held.range.complete)
    if entry.status == 200:
        length = len(entry.body)
        try:
            spans = ranges.requested(request.fields, stored, length, now)
        except ranges.Unsatisfiable:
            # Its own, so that no cache above takes the freshness of the whole for that of the refusal.
            refusal = Fields([(b"cache-control", b"no-store"), (b"content-range", b"bytes */%d" % length)])
            return _sized(416, refusal, b"", entry)
        if spans is not None and (len(spans) == 1 or isinstance(entry.body, bytes)):
            return _partial(entry, [(begin, entry.body[begin:end]) for begin, end in spans], length)
    return Response(entry.status, stored, entry.body, entry.tags)


def _partial(entry: Entry, parts: Sequence[tuple[int, Content]], complete: int | None) -> Response:
    if len(parts) == 1:
        if len(parts[0][1]) == len(entry.body):
            fields = Fields(entry.lines)
        else:
            fields = Fields([line for line in entry.lines if line[0] not in OF_THIS_PART])
        fields.set(b"content-range", _content_range(*parts[0], complete))
        return _sized(206, fields, parts[0][1], entry)
    # Several are not asked of bodies on disk: the whole answers as well.
    return _multipart(entry, [(begin, body) for begin, body in parts if isinstance(body, bytes)], complete)


def _multipart(entry: Entry, parts: Sequence[tuple[int, bytes]], complete: int | None) -> Response:
    """RFC 9110 §14.6. The boundary follows from the bytes, so they cannot have been made to contain it."""
    boundary = blake2b(b"".join([body for _, body in parts]), digest_size=16).hexdigest().encode()
    fields = Fields([line for line in entry.lines if line[0] not in OF_THIS_PART])
    content_type = fields.get(b"content-type")
    about = b"content-type: %s\r\n" % content_type if content_type is not None else b""
    chunks: list[bytes] = []
    for begin, body in parts:
        head = b"--%s\r\n%scontent-range: %s\r\n\r\n"
        chunks += (head % (boundary, about, _content_range(begin, body, complete)), body, b"\r\n")
    chunks.append(b"--%s--\r\n" % boundary)
    fields.set(b"content-type", b"multipart/byteranges; boundary=" + boundary)
    return _sized(206, fields, b"".join(chunks), entry)


def _content_range(begin: int, body: Content, complete: int | None) -> bytes:
    return bytes(ranges.ContentRange(begin, begin + len(body) - 1, complete))


def _sized(status: int, fields: Fields, body: Content, entry: Entry) -> Response:
    fields.set(b"content-length", b"%d" % len(body))
    return Response(status, fields, body, entry.tags)
