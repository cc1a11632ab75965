"""Many exchanges on few connections: who waits, what a deadline of one does to the others, and what ejects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from proxy.errors import ProxyError
from proxy.exchange import Response, collect
from proxy.upstream import Endpoint, Limits, Upstream
from proxy.upstream.health import Ejection
from proxy.upstream.retry import Retries
from proxy.upstream.upstream import Policy
from tests.upstream.scripted import request, run

RETRYING = Policy(retries=Retries(1))


class Call:
    """One request, as the origin has it."""

    def __init__(self, peer: Peer, stream: int, path: str) -> None:
        self.peer, self.stream, self.path = peer, stream, path

    def answer(self, body: bytes = b"ok", *, end: bool = True) -> None:
        self.peer.codec.send_headers(self.stream, [(":status", "200")])
        self.peer.codec.send_data(self.stream, body, end_stream=end)
        self.peer.flush()

    def reset(self) -> None:
        self.peer.codec.reset_stream(self.stream, 2)
        self.peer.flush()


class Peer(asyncio.Protocol):
    """The origin's end of a connection."""

    def __init__(self, origin: H2Origin) -> None:
        self.origin = origin
        self.codec = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.codec.local_settings = h2.settings.Settings(
            client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: origin.streams}
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.origin.peers.append(self)
        self.codec.initiate_connection()
        self.flush()

    def data_received(self, data: bytes) -> None:
        for event in self.codec.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                path = str(dict[Any, Any](event.headers or [])[":path"])
                self.origin.calls.put_nowait(Call(self, event.stream_id or 0, path))
            elif isinstance(event, h2.events.StreamReset):
                self.origin.given_up.append(event.stream_id or 0)
        self.flush()

    def flush(self) -> None:
        self.transport.write(self.codec.data_to_send())


class H2Origin:
    """streams: how many it takes at once on a connection. calls: those not looked at."""

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.peers: list[Peer] = []
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.given_up: list[int] = []
        self.endpoint: Endpoint


@asynccontextmanager
async def h2_origin(streams: int = 100) -> AsyncIterator[H2Origin]:
    origin = H2Origin(streams)
    server = await asyncio.get_running_loop().create_server(lambda: Peer(origin), "127.0.0.1", 0)
    origin.endpoint = Endpoint(*server.sockets[0].getsockname())
    try:
        yield origin
    finally:
        server.close()
        for peer in origin.peers:
            peer.transport.abort()


@asynccontextmanager
async def asking(*origins: H2Origin, policy: Policy | None = None, **limits: Any) -> AsyncIterator[Upstream]:
    upstream = Upstream("o", [o.endpoint for o in origins], Limits(http2=True, **limits), policy=policy or Policy())
    try:
        yield upstream
    finally:
        upstream.close()


def ask(upstream: Upstream, path: str = "/", method: str = "GET") -> asyncio.Task[Response]:
    return asyncio.create_task(upstream.send(request(method, path)))


async def failure(asked: asyncio.Task[Response]) -> str:
    with pytest.raises(ProxyError) as caught:
        await asked
    return str(caught.value)


async def greeted(upstream: Upstream, origin: H2Origin) -> None:
    """Until it is known how many streams the origin takes."""
    first = ask(upstream)
    (await origin.calls.get()).answer()
    await first


def later(upstream: Upstream, seconds: float) -> None:
    upstream.sweep(asyncio.get_running_loop().time() + seconds)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_finds_all_full_waits_in_line_and_who_finds_the_line_full_does_not() -> None:
    async def main() -> None:
        async with h2_origin(streams=1) as origin, asking(origin, max_connections=1, max_waiting=2) as upstream:
            await greeted(upstream, origin)
            running, *waiting = [ask(upstream, path) for path in ("/0", "/1", "/2")]
            await settle()
            full = await failure(ask(upstream, "/3", "POST"))
            assert full.startswith("connection_limit_reached: all 1 connections to 127.0.0.1:")
            assert full.endswith(" are full and 2 requests wait")
            for number, asked in enumerate((running, *waiting)):
                call = await origin.calls.get()
                assert call.path == f"/{number}"
                later = ask(upstream, "/late") if number == 0 else None
                await settle()
                if later is not None:
                    assert "2 requests wait" in await failure(later)  # nobody gets in before those that wait
                call.answer()
                assert (await asked).status == 200
            assert origin.calls.empty()

    run(main())


def test_whoever_leaves_the_line_makes_room_in_it() -> None:
    async def main() -> None:
        async with h2_origin(streams=1) as origin, asking(origin, max_connections=1, max_waiting=1) as upstream:
            await greeted(upstream, origin)
            running, gone = ask(upstream, "/0"), ask(upstream, "/1")
            await settle()
            gone.cancel()
            await settle()
            waiting = ask(upstream, "/2")
            await settle()
            (await origin.calls.get()).answer()
            assert (await running).status == 200
            call = await origin.calls.get()
            assert call.path == "/2"
            call.answer()
            assert (await waiting).status == 200

    run(main())


def test_all_who_wait_go_on_when_there_is_room_for_all() -> None:
    async def main() -> None:
        async with h2_origin(streams=1) as origin, asking(origin, max_connections=1) as upstream:
            await greeted(upstream, origin)
            asked = [ask(upstream, f"/{number}") for number in range(8)]
            first = await origin.calls.get()
            await settle()
            first.peer.codec.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 100})
            first.peer.flush()
            calls = [first, *[await origin.calls.get() for _ in range(7)]]  # none is answered yet
            assert [call.path for call in calls] == [f"/{number}" for number in range(8)]
            for call in calls:
                call.answer()
            assert {(await each).status for each in asked} == {200}

    run(main())


def test_who_waits_too_long_is_told() -> None:
    async def main() -> None:
        async with h2_origin(streams=1) as origin, asking(origin, max_connections=1, connect_timeout=5.0) as upstream:
            await greeted(upstream, origin)
            running, waiting = ask(upstream), ask(upstream, method="POST")
            await settle()
            later(upstream, 6)
            assert (await failure(waiting)).endswith(" are full for 5 s")
            (await origin.calls.get()).answer()
            assert (await running).status == 200

    run(main())


def test_who_finds_one_endpoint_full_goes_to_another_whatever_is_asked() -> None:
    """Nothing was sent, so a POST is no exception."""

    async def main() -> None:
        limits: dict[str, Any] = {"max_connections": 1, "max_waiting": 1, "policy": RETRYING}
        async with h2_origin(streams=1) as one, h2_origin() as two, asking(one, two, **limits) as upstream:
            for origin in (one, two):
                await greeted(upstream, origin)
            acting = asyncio.create_task(act(two, Call.answer))
            first, second = [(ask(upstream), await ask(upstream))[0] for _ in range(2)]  # one each in turn
            assert (await ask(upstream, method="POST")).status == 200
            acting.cancel()
            for asked in (first, second):
                (await one.calls.get()).answer()
                assert (await asked).status == 200

    run(main())


def test_a_deadline_of_one_exchange_is_none_of_the_others() -> None:
    async def main() -> None:
        async with h2_origin() as origin, asking(origin, response_timeout=60.0, body_timeout=60.0) as upstream:
            silent, slow, good = (ask(upstream, path, "POST") for path in ("/silent", "/slow", "/good"))
            calls = {call.path: call for call in [await origin.calls.get() for _ in range(3)]}
            calls["/slow"].answer(b"begun", end=False)
            calls["/good"].answer(b"begun", end=False)
            body, begun = (await slow).body, (await good).body
            assert not isinstance(body, bytes)
            assert not isinstance(begun, bytes)
            assert (await body.read(), await begun.read()) == (b"begun", b"begun")
            calls["/good"].peer.codec.send_data(calls["/good"].stream, b"more")
            calls["/good"].peer.flush()
            await _buffered(begun)
            later(upstream, 61)
            assert await failure(silent) == "http_response_timeout: the origin sent nothing for too long"
            with pytest.raises(ProxyError, match="connection_read_timeout"):
                await body.read()
            assert await begun.read() == b"more"
            calls["/good"].peer.codec.send_data(calls["/good"].stream, b"!", end_stream=True)
            calls["/good"].peer.flush()
            assert await collect(begun, 100) == b"!"
            assert sorted(origin.given_up) == sorted(calls[path].stream for path in ("/silent", "/slow"))
            assert len(origin.peers) == 1

    run(main())


async def _buffered(body: Any) -> None:
    for _ in iter(lambda: body.holds, True):
        await asyncio.sleep(0)


def test_a_connection_on_which_nothing_comes_any_more_gets_no_more_requests() -> None:
    """It may be dead without a word. One that has said something for another exchange is not."""

    async def main() -> None:
        async with h2_origin() as origin, asking(origin, response_timeout=60.0) as upstream:
            await greeted(upstream, origin)
            asked = ask(upstream, "/silent", "POST")
            await origin.calls.get()
            later(upstream, 61)
            assert "http_response_timeout" in await failure(asked)
            following = ask(upstream)
            call = await origin.calls.get()
            assert call.peer is origin.peers[1]
            call.answer()
            assert (await following).status == 200

    run(main())


def test_failures_of_streams_eject_an_endpoint_and_what_runs_on_it_goes_on() -> None:
    async def main() -> None:
        policy = Policy(ejection=Ejection(failures=3))
        async with h2_origin() as bad, h2_origin() as good, asking(bad, good, policy=policy) as upstream:
            running = ask(upstream, "/running")
            kept = await bad.calls.get()
            acting = [asyncio.create_task(act(bad, Call.reset)), asyncio.create_task(act(good, Call.answer))]
            for _ in range(3):  # in turn
                assert (await ask(upstream)).status == 200
                assert (await failure(ask(upstream))).startswith("connection_terminated: the origin reset")
            assert [(each.failures, each.ejections) for each in upstream.origins] == [
                ({"connection_terminated": 3}, 1),
                ({}, 0),
            ]
            for _ in range(4):
                assert (await ask(upstream, method="POST")).status == 200
            kept.answer()
            assert (await running).status == 200
            assert len(bad.peers) == 1
            for each in acting:
                each.cancel()

    run(main())


def test_a_stream_that_is_reset_before_it_is_answered_is_asked_for_elsewhere() -> None:
    """If its method is idempotent: the origin may have acted on it."""

    async def main() -> None:
        async with h2_origin() as bad, h2_origin() as good, asking(bad, good, policy=RETRYING) as upstream:
            acting = [asyncio.create_task(act(bad, Call.reset)), asyncio.create_task(act(good, Call.answer))]
            assert [(await ask(upstream)).status for _ in range(4)] == [200] * 4
            assert upstream.retries == 2
            assert (await failure(ask(upstream, method="POST"))).startswith("connection_terminated: the origin reset")
            for each in acting:
                each.cancel()

    run(main())


def test_a_connection_that_breaks_fails_all_that_runs_on_it() -> None:
    """Each counts, so a connection with many of them ejects its endpoint at once, if there is another."""

    async def main() -> None:
        policy = Policy(ejection=Ejection(failures=5))
        async with h2_origin() as bad, h2_origin() as good, asking(bad, good, policy=policy) as upstream:
            acting = asyncio.create_task(act(good, Call.answer))
            asked = [ask(upstream) for _ in range(10)]
            for _ in range(5):
                call = await bad.calls.get()
            call.peer.transport.abort()
            outcomes = [await each if n % 2 else await failure(each) for n, each in enumerate(asked)]
            assert [str(each).partition(":")[0] for each in outcomes[::2]] == ["connection_terminated"] * 5
            assert [each.ejections for each in upstream.origins] == [1, 0]
            acting.cancel()

    run(main())


async def act(origin: H2Origin, how: Callable[[Call], None]) -> None:
    while True:
        how(await origin.calls.get())
