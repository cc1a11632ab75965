"""Whatever a client sends, in whatever pieces."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Request, Response, collect
from proxy.exchange.body import Pipe
from proxy.http.fields import Fields
from tests.downstream.wire import Wire, turn


async def describe(request: Request) -> Response:
    """Says what the request was; waits now and then, or does not want the body."""
    if "w" in request.path:
        await asyncio.sleep(0)
    if "n" in request.path:
        if isinstance(request.body, Pipe):
            request.body.close()
        body = b"-"
    else:
        body = await collect(request.body, 1_000_000)
    return Response(200, Fields(), f"[{request.method} {request.path}]".encode() + body)


HEADS = st.builds(
    lambda method, path, fields: f"{method} /{path} HTTP/1.1\r\nHost: a\r\n{fields}".encode(),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.text("wnx", max_size=3),
    st.sampled_from(["", "A: b\r\n", "Connection: upgrade\r\nUpgrade: x\r\n"]),
)
BODIES = st.binary(max_size=50).map(lambda body: b"Content-Length: %d\r\n\r\n%b" % (len(body), body)) | st.lists(
    st.binary(min_size=1, max_size=20)
).map(
    lambda chunks: (
        b"Transfer-Encoding: chunked\r\n\r\n"
        + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        + b"0\r\n\r\n"
    )
)
REQUESTS = st.lists(st.builds(bytes.__add__, HEADS, BODIES), max_size=6)
CUTS = st.lists(st.integers(0, 500), max_size=12)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    ends = sorted({0, len(data), *(place for place in at if place < len(data))})
    return [data[i:j] for i, j in pairwise(ends)]


async def conversation(reads: list[bytes], *, turns: bool) -> bytes:
    """What a client gets that sends these pieces; with or without the time to work in between."""
    wire = Wire(describe)
    for data in reads:
        for _ in range(20):
            if wire.transport.reading:
                break
            await turn()
        assert wire.transport.reading, "nobody will ever read on"
        wire.send(data)
        if turns:
            await turn()
    for _ in range(20):
        await turn()
    assert wire.listener.connections == 1
    sent = wire.received()
    wire.connection.connection_lost(None)
    await turn()
    assert len(asyncio.all_tasks()) == 1
    return sent


@given(REQUESTS, CUTS, st.booleans())
def test_requests_are_answered_in_order_however_they_are_cut(
    requests: list[bytes], cuts: list[int], turns: bool
) -> None:
    expected = b"".join(asyncio.run(conversation([request], turns=True)) for request in requests)
    assert asyncio.run(conversation(cut(b"".join(requests), cuts), turns=turns)) == expected
    assert expected.count(b"HTTP/1.1 200 OK\r\n") == len(requests)


PIECES = st.sampled_from(
    [b"GET ", b"POST ", b"/", b" HTTP/1.1\r\n", b"\r\n", b"\n", b"\r", b"\0", b"Host: a\r\n", b"abc",
     b"Content-Length: 3\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"Expect: 100-continue\r\n",
     b"Connection: close\r\n", b"3\r\n", b"0\r\n\r\n"]
)  # fmt: skip


@given(st.lists(PIECES | st.binary(max_size=8) | HEADS, max_size=20), CUTS)
def test_any_bytes_get_whole_answers_or_none(pieces: list[bytes], cuts: list[int]) -> None:
    async def main() -> None:
        wire = Wire(describe)
        for data in cut(b"".join(pieces), cuts):
            if wire.transport.reading:
                wire.send(data)
        for _ in range(20):
            await turn()
        sent = wire.received()
        while sent:
            head, _, rest = sent.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 ")
            length = [int(line.split(b": ")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length")]
            assert head == b"HTTP/1.1 100 Continue" or len(length) == 1
            assert len(rest) >= sum(length)
            sent = rest[sum(length) :]
        for _ in range(3):
            wire.wait(100)
            await turn()
        assert wire.transport.closed, "nothing is waited for for ever"
        wire.connection.connection_lost(None)
        await turn()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
