"""What clients take an answer for: whole, or known not to be."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import hpack

from tests.codec.http2.wire import DATA, END_STREAM, GET, GOAWAY, HEADERS, HELLO, RST_STREAM, Frame, frames, headers
from tests.integration.site import unchunk
from tests.patience import PATIENCE

Taken = tuple[int, bytes]
"""Status and body."""

ASKS = {
    "1.1": b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    "1.0": b"GET / HTTP/1.0\r\nhost: a\r\n\r\n",
    "2": HELLO + headers(1, GET),
}
"""One request, by the version of HTTP."""


def taken(raw: bytes, *, ended: bool) -> Taken | None:
    """An answer of HTTP/1, the last of its connection, for whole; None: its client knows that it is not. ended: the
    connection ended in order, that is without a reset (RFC 9112 §6.3)."""
    head, separator, rest = raw.partition(b"\r\n\r\n")
    if not separator:
        return None
    status = int(head[9:12])
    if length := re.search(rb"\r\ncontent-length: ([0-9]+)", head):
        assert len(rest) <= int(length[1])
        return (status, rest) if len(rest) == int(length[1]) else None
    if b"\r\ntransfer-encoding: chunked" not in head:
        return (status, rest) if ended else None
    with suppress(ValueError, AssertionError):
        return status, unchunk(rest)
    return None


def taken_h2(raw: bytes, stream: int = 1) -> Taken | None:
    """The same of an answer of HTTP/2 (RFC 9113 §8.1)."""
    decoder = hpack.Decoder()
    status, body, whole = 0, b"", False
    for each in whole_frames(raw):
        if each.type == HEADERS:
            fields = list(decoder.decode(each.payload, raw=True))
            if each.stream == stream and not status:
                status = int(fields[0][1])
        if each.stream == stream:
            assert not whole, "something came after the end"
            body += each.payload if each.type == DATA else b""
            whole = each.type in (HEADERS, DATA) and bool(each.flags & END_STREAM)
    return (status, body) if whole else None


def whole_frames(raw: bytes) -> list[Frame]:
    """But for one that is cut off."""
    found = frames(raw)
    return found if sum(9 + len(each.payload) for each in found) == len(raw) else found[:-1]


async def ask(port: int, version: str) -> Taken | None:
    """What is answered to one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASKS[version])
    raw, ended = b"", False
    with suppress(ConnectionResetError):
        while not ended and not (version == "2" and _over(raw)):
            piece = await asyncio.wait_for(reader.read(65536), PATIENCE)
            raw, ended = raw + piece, not piece
    writer.close()
    return taken_h2(raw) if version == "2" else taken(raw, ended=ended)


def _over(raw: bytes) -> bool:
    """Nothing more will come on the one stream."""
    return any(
        each.type in (RST_STREAM, GOAWAY)
        or (each.stream == 1 and each.type in (HEADERS, DATA) and each.flags & END_STREAM)
        for each in whole_frames(raw)
    )
