"""Origins that are out of step by themselves: what they say too much is nobody's answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.desync.attacks import SMUGGLED, get, post
from tests.desync.test_attacks import statuses
from tests.integration.site import Site, site
from tests.listening import listening
from tests.upstream.scripted import Peer, Play, Scripted

NEXT = get(b"Connection: close", line=b"GET /next HTTP/1.1")


def answer(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body), body)


@asynccontextmanager
async def in_front(directory: Path, play: Play) -> AsyncIterator[tuple[Site, Scripted]]:
    origin = Scripted(play)
    async with listening(origin.serve) as port:
        upstreams = {"origin": {"endpoints": [f"http://127.0.0.1:{port}"]}}
        async with site(directory, b"", upstreams=upstreams, routes=[{"chain": [{"forward": "origin"}]}]) as place:
            yield place, origin
        await asyncio.gather(*(peer.over.wait() for peer in origin.peers))


async def careless(peer: Peer) -> None:
    """CL.0: it looks at heads only, so a body is the next request, and both are answered at once."""
    pending = b""
    while data := await peer.read():
        *heads, pending = (pending + data).split(b"\r\n\r\n")
        await peer.send(b"".join(answer(head.split(b" ")[1]) for head in heads))


def test_the_answer_to_a_body_is_not_the_answer_to_the_next_client(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with in_front(tmp_path, careless) as (place, origin):
            attack = post(b"Content-Length: 35", b"Connection: close", body=SMUGGLED)
            for number in range(1, 6):
                assert (await place.raw(attack)).endswith(b"\r\n\r\n/")
                assert (await place.raw(NEXT)).endswith(b"\r\n\r\n/next")
                assert len(origin.peers) == number + 1  # the one that said too much is used no more

    asyncio.run(scenario())


def test_a_body_that_waits_for_its_100_is_no_request(tmp_path: Path) -> None:
    """Expect (Kettle 2025): the origin answers without the body and takes what comes next for a request. So nothing
    comes next on that connection."""

    async def at_once(peer: Peer) -> None:
        while head := await peer.head():
            await peer.send(answer(head.split(b" ")[1]))

    async def scenario() -> None:
        async with in_front(tmp_path, at_once) as (place, origin):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(post(b"Expect: 100-continue", b"Content-Length: 35", body=b""))
            got = await reader.readuntil(b"\r\n\r\n/")
            assert statuses(got) == [200]
            writer.write(SMUGGLED)
            assert (await place.raw(NEXT)).endswith(b"\r\n\r\n/next")
            assert b"smuggled" not in b"".join(peer.got for peer in origin.peers)
            assert len(origin.peers) == 2
            writer.close()

    asyncio.run(scenario())


def test_an_answer_that_nobody_asked_for_is_nobodys(tmp_path: Path) -> None:
    """It comes on an idle connection, before the next request does."""

    async def eager(peer: Peer) -> None:
        while head := await peer.head():
            await peer.send(answer(head.split(b" ")[1]))
            await asyncio.sleep(0)
            await peer.send(answer(b"poison"))

    async def scenario() -> None:
        async with in_front(tmp_path, eager) as (place, _):
            for _ in range(5):
                assert (await place.raw(NEXT)).endswith(b"\r\n\r\n/next")
                await asyncio.sleep(0.01)

    asyncio.run(scenario())
