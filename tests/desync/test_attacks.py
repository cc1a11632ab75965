"""The published attacks through a whole proxy on real sockets, with an origin that shows what arrived."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.desync.attacks import NEXT, PASSED, REFUSED, SMUGGLED
from tests.desync.readings import READERS, readings
from tests.integration.site import Site, site

STRICT = READERS[-1]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class RawOrigin:
    """Answers what a strict server would take for a request. got: the bytes of each connection."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.serving: list[asyncio.Task[None]] = []

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.create_task(self.serve(reader, writer)))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.got)
        self.got.append(b"")
        answered = 0
        while data := await reader.read(1 << 16):
            self.got[number] += data
            whole = [each for each in STRICT.read(self.got[number]) if b"(cut off)" not in each]
            writer.write(OK * (len(whole) - answered))
            answered = len(whole)
        writer.close()


@asynccontextmanager
async def in_front(directory: Path) -> AsyncIterator[tuple[Site, RawOrigin]]:
    origin = RawOrigin()
    server = await asyncio.start_server(origin.connected, "127.0.0.1", 0)
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    chain = [{"forward": "raw"}]
    async with site(directory, b"", upstreams={"raw": {"endpoints": [endpoint]}}, routes=[{"chain": chain}]) as place:
        yield place, origin
    server.close()
    await asyncio.gather(*origin.serving, return_exceptions=True)


def statuses(answers: bytes) -> list[int]:
    """Of whole answers with a length, final ones."""
    found = []
    while answers:
        head, _, rest = answers.partition(b"\r\n\r\n")
        status = int(head[9:12])
        length = re.search(rb"\ncontent-length: ([0-9]+)", head)
        size = int(length[1]) if length else 0
        assert len(rest) >= size, "an answer is cut off"
        answers = rest[size:]
        if status >= 200:
            found.append(status)
    return found


@pytest.mark.parametrize("attack", REFUSED.values(), ids=REFUSED.keys())
def test_refused_and_nothing_of_it_reaches_the_origin(attack: bytes, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with in_front(tmp_path) as (place, origin):
            (status,) = statuses(await place.raw(attack + SMUGGLED + NEXT))
            assert 400 <= status < 600
            for got in origin.got:  # of a request whose body turned out to be wrong
                (read,) = readings(got)
                assert all(line.startswith(b"POST / ") and body == b"(cut off)" for line, body in read)

    asyncio.run(scenario())


@pytest.mark.parametrize(("attack", "read"), PASSED.values(), ids=PASSED.keys())
def test_what_is_passed_on_has_one_reading(attack: bytes, read: list[tuple[bytes, bytes]], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with in_front(tmp_path) as (place, origin):
            assert statuses(await place.raw(attack + NEXT)) == [200] * (len(read) + 1)
            for got in origin.got:
                assert len(readings(got)) == 1, readings(got)
            assert [each for got in origin.got for each in STRICT.read(got)] == [*read, (b"GET /next HTTP/1.1", b"")]

    asyncio.run(scenario())
