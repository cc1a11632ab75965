"""Many clients and one slow fetch, over sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.site import Site, parse, site
from tests.listening import listening
from tests.patience import PATIENCE

HEAD = b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Origin:
    """Says what it is told to, to whoever has asked."""

    asked: int = 0
    has_been_asked: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    clients: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        self.has_been_asked.set()
        self.clients.append(writer)
        await reader.read()
        self.left.set()
        writer.close()

    def say(self, data: bytes) -> None:
        for client in self.clients:
            client.write(data)

    def chunk(self, data: bytes) -> None:
        self.say(b"%x\r\n%s\r\n" % (len(data), data))


@asynccontextmanager
async def behind(directory: Path, **cache: Any) -> AsyncIterator[tuple[Site, Origin]]:
    origin = Origin()
    async with listening(origin.serve) as port:
        upstreams = {"origin": {"endpoints": [f"http://127.0.0.1:{port}"]}}
        async with site(directory, b"", chain=[{"cache": {"name": "pages", **cache}}], upstreams=upstreams) as proxy:
            yield proxy, origin


async def _client(proxy: Site) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"GET / HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n")
    return reader, writer


async def _rest(client: Connection) -> bytes:
    data = await asyncio.wait_for(client[0].read(), PATIENCE)
    client[1].close()
    await client[1].wait_closed()
    return data


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what the proxy does is no event of ours
            await asyncio.sleep(0.005)


def test_clients_see_what_arrives_as_it_arrives(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with behind(tmp_path) as (proxy, origin):
            clients = [await _client(proxy) for _ in range(200)]
            await origin.has_been_asked.wait()
            origin.say(HEAD)
            origin.chunk(b"first;")
            seen = [await asyncio.wait_for(reader.readuntil(b"first;"), PATIENCE) for reader, _ in clients]
            late = await _client(proxy)
            origin.chunk(b"second")
            origin.say(LAST)
            bodies = {parse(before + await _rest(each)).body for before, each in zip(seen, clients, strict=True)}
            bodies.add(parse(await _rest(late)).body)
            assert bodies == {b"first;second"}
            assert origin.asked == 1

    asyncio.run(scenario())


def test_the_first_client_may_leave(tmp_path: Path) -> None:
    async def scenario(after_the_head: bool) -> None:
        async with behind(tmp_path) as (proxy, origin):
            first = await _client(proxy)
            await origin.has_been_asked.wait()
            others = [await _client(proxy) for _ in range(20)]
            if after_the_head:
                origin.say(HEAD)
                origin.chunk(b"body;")
                await first[0].readuntil(b"body;")
                await asyncio.gather(*(reader.readuntil(b"HTTP/1.1 200 OK") for reader, _ in others))
            await until(lambda: proxy.server.listeners[0].running == 21)
            first[1].transport.abort()
            await until(lambda: proxy.server.listeners[0].running == 20)
            if not after_the_head:
                origin.say(HEAD)
                origin.chunk(b"body;")
            origin.chunk(b"end")
            origin.say(LAST)
            for each in others:
                assert b"end" in await _rest(each)
            assert (origin.asked, origin.left.is_set()) == (1, False)

    for after_the_head in (False, True):
        asyncio.run(scenario(after_the_head))


def test_when_all_leave_the_origin_is_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with behind(tmp_path) as (proxy, origin):
            clients = [await _client(proxy) for _ in range(3)]
            await origin.has_been_asked.wait()
            origin.say(HEAD)
            origin.chunk(b"body;")
            await asyncio.gather(*(reader.readuntil(b"body;") for reader, _ in clients))
            for _, writer in clients:
                writer.transport.abort()
            await asyncio.wait_for(origin.left.wait(), PATIENCE)

    asyncio.run(scenario())


def test_a_client_that_does_not_read_slows_nobody(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with behind(tmp_path, max_object_size="32MiB") as (proxy, origin):
            stalled = [await _client(proxy) for _ in range(2)]
            await origin.has_been_asked.wait()
            reading = asyncio.create_task(_rest(await _client(proxy)))
            origin.say(HEAD)
            for _ in range(160):
                origin.chunk(bytes(100_000))
                await origin.clients[0].drain()
            origin.say(LAST)
            whole = parse(await reading).body
            assert len(whole) == 16_000_000
            for each in stalled:
                assert parse(await _rest(each)).body == whole
            assert origin.asked == 1

    asyncio.run(scenario())
