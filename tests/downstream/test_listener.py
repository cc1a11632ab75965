"""Real sockets, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from proxy.downstream import Listener, Service, Timeouts, bind, serve
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from tests.downstream.wire import Handler, hello
from tests.patience import PATIENCE

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
MIB = 1024 * 1024

Scenario = Callable[[], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    def start(scenario: Scenario) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(scenario(), PATIENCE))

    return start


@contextlib.asynccontextmanager
async def listening(handler: Handler, **options: Any) -> AsyncIterator[Listener]:
    listener = await serve(bind("127.0.0.1", 0), Service(handler, **options))
    try:
        yield listener
    finally:
        await listener.drain(0)


@contextlib.asynccontextmanager
async def client(listener: Listener) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*listener.addresses[0])
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def body_of(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = (line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"content-length"))
    return await reader.readexactly(int(length))


def test_requests_are_answered(run: Run) -> None:
    async def scenario() -> None:
        async with listening(hello) as listener, client(listener) as (reader, writer):
            for _ in range(3):
                writer.write(GET)
                assert await body_of(reader) == b"hello"
            assert listener.connections == 1

    run(scenario)


def test_a_refusal_arrives_though_the_client_still_sends(run: Run) -> None:
    async def scenario() -> None:
        async with listening(hello) as listener, client(listener) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n" + b"a" * MIB)
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")

    run(scenario)


def test_a_client_that_leaves_cancels_the_exchange(run: Run) -> None:
    async def scenario() -> None:
        running, cancelled = asyncio.Event(), asyncio.Event()

        async def handler(request: Request) -> Response:
            running.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            raise AssertionError

        async with listening(handler) as listener:
            async with client(listener) as (_, writer):
                writer.write(GET)
                await running.wait()
            await cancelled.wait()

    run(scenario)


class Zeros:
    """A body of zeros."""

    trailers = None

    def __init__(self, length: int) -> None:
        self.length = length
        self.left = length
        self.done = asyncio.Event()

    async def read(self) -> bytes:
        size = min(self.left, 64 * 1024)
        self.left -= size
        return bytes(size)

    def close(self) -> None:
        self.done.set()


def test_a_client_that_does_not_read_stops_the_body(run: Run) -> None:
    async def scenario() -> None:
        body = Zeros(1024 * MIB)

        async def handler(request: Request) -> Response:
            return Response(200, Fields(), body)

        async with listening(handler) as listener, client(listener) as (_, writer):
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            writer.write(GET)
            before = -1
            while body.left != before:
                before = body.left
                for _ in range(100):
                    await asyncio.sleep(0)
            assert body.length - body.left < 64 * MIB
            assert not body.done.is_set()
        await body.done.wait()

    run(scenario)


def test_drain_answers_what_runs_and_closes_what_is_idle(run: Run) -> None:
    async def scenario() -> None:
        running, gate = asyncio.Event(), asyncio.Event()

        async def handler(request: Request) -> Response:
            running.set()
            await gate.wait()
            return await hello(request)

        async with listening(handler) as listener, client(listener) as (idle, _), client(listener) as (reader, writer):
            writer.write(GET)
            await running.wait()
            address = listener.addresses[0]
            drained = asyncio.create_task(listener.drain(PATIENCE))
            assert await idle.read() == b""
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection(*address)
            gate.set()
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"connection: close\r\n" in head
            assert await reader.read() == b"hello"
            await drained
            assert listener.connections == 0

    run(scenario)


def test_drain_does_not_wait_for_ever(run: Run) -> None:
    async def scenario() -> None:
        running = asyncio.Event()

        async def handler(request: Request) -> Response:
            running.set()
            await asyncio.Event().wait()
            raise AssertionError

        async with listening(handler) as listener, client(listener) as (reader, writer):
            writer.write(GET)
            await running.wait()
            await listener.drain(0.01)
            assert listener.connections == 0
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""

    run(scenario)


def test_the_sweep_runs_by_itself(run: Run) -> None:
    async def scenario() -> None:
        async with listening(hello, timeouts=Timeouts(header=0)) as listener, client(listener) as (reader, _):
            assert await reader.read() == b""

    run(scenario)


def test_an_address_in_use() -> None:
    async def scenario() -> None:
        async with listening(hello) as listener:
            with pytest.raises(OSError, match="in use"):
                await serve(bind(*listener.addresses[0]), Service(hello))

    asyncio.run(scenario())


def resident() -> int:
    """Bytes of memory this process has now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


class Most:
    """The most memory there was, looked at now and then."""

    def __init__(self) -> None:
        self.before = self.now = resident()
        self.seen = 0

    def pass_by(self, size: int) -> None:
        self.seen += size
        if self.seen % (16 * MIB) < size:
            self.now = max(self.now, resident())

    @property
    def growth(self) -> int:
        return self.now - self.before


def test_a_download_of_a_gibibyte_takes_no_memory() -> None:
    async def scenario() -> None:
        async def handler(request: Request) -> Response:
            return Response(200, Fields(), Zeros(1024 * MIB))

        async with listening(handler) as listener, client(listener) as (reader, writer):
            writer.write(GET)
            await reader.readuntil(b"\r\n\r\n")
            most = Most()
            while most.seen < 1024 * MIB:
                most.pass_by(len(await reader.read(MIB)))
            assert most.growth < 32 * MIB

    uvloop.run(scenario())


def test_an_upload_of_a_gibibyte_takes_no_memory() -> None:
    async def scenario() -> None:
        most = Most()

        async def handler(request: Request) -> Response:
            assert not isinstance(request.body, bytes)
            while chunk := await request.body.read():
                most.pass_by(len(chunk))
            return await hello(request)

        async with listening(handler) as listener, client(listener) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (1024 * MIB))
            piece = bytes(256 * 1024)
            for _ in range(4096):
                writer.write(piece)
                await writer.drain()
            assert await body_of(reader) == b"hello"
            assert most.seen == 1024 * MIB
            assert most.growth < 32 * MIB

    uvloop.run(scenario())


def test_an_upload_that_comes_back_as_it_goes(run: Run) -> None:
    async def scenario() -> None:
        async def handler(request: Request) -> Response:
            return Response(200, Fields(), request.body)

        async with listening(handler) as listener, client(listener) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (8 * MIB))
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"content-length: 8388608\r\n" in head

            async def upload() -> None:
                for number in range(128):
                    writer.write(bytes([number]) * 64 * 1024)
                    await writer.drain()

            task = asyncio.create_task(upload())
            assert await reader.readexactly(8 * MIB) == b"".join(bytes([n]) * 64 * 1024 for n in range(128))
            await task

    run(scenario)


def test_a_body_is_collected_from_the_wire(run: Run) -> None:
    async def scenario() -> None:
        async def handler(request: Request) -> Response:
            return Response(200, Fields(), await collect(request.body, 4 * MIB))

        async with listening(handler) as listener, client(listener) as (reader, writer):
            writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(32):
                writer.write(b"8000\r\n" + b"z" * 0x8000 + b"\r\n")
            writer.write(b"0\r\n\r\n")
            assert await body_of(reader) == b"z" * MIB

    run(scenario)
