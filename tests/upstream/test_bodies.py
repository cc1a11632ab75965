"""Bodies that take their time, in both directions."""

from __future__ import annotations

import asyncio

import pytest

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Pipe, Response, collect
from proxy.http.fields import Fields
from proxy.upstream import Limits, connection
from tests.upstream.scripted import OK, Peer, answering, request, run, scripted

EXPECT = ((b"expect", b"100-continue"),)
MiB = 1 << 20


def pipe(*chunks: bytes, length: int | None = None, end: bool = True, trailers: Fields | None = None) -> Pipe:
    body = Pipe(length)
    for chunk in chunks:
        body.feed(chunk)
    if end:
        body.end(trailers)
    return body


async def piece(response: Response) -> bytes:
    assert not isinstance(response.body, bytes)
    return await response.body.read()


class Endless:
    """A request body without end. read_so_far: bytes."""

    length = None
    trailers = None

    def __init__(self) -> None:
        self.read_so_far = 0
        self.closed = False

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        self.read_so_far += 65536
        return bytes(65536)

    def close(self) -> None:
        self.closed = True


async def standstill(endless: Endless) -> int:
    """How much was read of it when nobody reads any more."""
    before = -1
    while endless.read_so_far != before:
        before = endless.read_so_far
        await asyncio.sleep(0.05)
    return before


class TestRequestBody:
    def test_of_known_length(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                await upstream.send(request("POST", body=pipe(b"hello", b", ", b"world", length=12)))
                assert origin.peers[0].got.endswith(b"content-length: 12\r\n\r\nhello, world")
                await upstream.send(request("POST"))
                assert len(origin.peers) == 1

        run(test())

    def test_of_unknown_length_with_trailers(self) -> None:
        async def play(peer: Peer) -> None:
            while not peer.got.endswith(b"\r\nsum: 1\r\n\r\n"):
                await peer.read()
            await peer.send(OK)

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                body = pipe(b"hello", trailers=Fields([(b"sum", b"1")]))
                assert (await upstream.send(request("POST", body=body))).body == b"ok"
                head, _, sent = origin.peers[0].got.partition(b"\r\n\r\n")
                assert head.endswith(b"transfer-encoding: chunked")
                assert sent == b"5\r\nhello\r\n0\r\nsum: 1\r\n\r\n"

        run(test())

    def test_a_large_one_in_memory(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                await upstream.send(request("POST", body=bytes(4 * MiB)))
                assert len(origin.peers[0].got) > 4 * MiB

        run(test())

    @pytest.mark.parametrize("chunks", [(b"hell",), (b"hello", b"!"), (b"hello!",)])
    def test_another_length_than_announced(self, chunks: tuple[bytes, ...]) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                with pytest.raises(ProxyError) as caught:
                    await upstream.send(request("POST", body=pipe(*chunks, length=5)))
                assert caught.value.failure is errors.PROXY_INTERNAL_ERROR
                await origin.peers[0].over.wait()
                assert b"!" not in origin.peers[0].got

        run(test())

    def test_a_client_that_leaves_in_the_middle(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                body = pipe(b"hel", length=5, end=False)
                sending = asyncio.create_task(upstream.send(request("POST", body=body)))
                await origin.asked()
                gone = ProxyError(errors.HTTP_REQUEST_ERROR, "the client left")
                body.fail(gone)
                with pytest.raises(ProxyError) as caught:
                    await sending
                assert caught.value is gone
                await origin.peers[0].over.wait()

        run(test())

    def test_a_stream_with_a_fault_is_no_exchange_that_hangs(self) -> None:
        class Faulty(Endless):
            async def read(self) -> bytes:
                raise ZeroDivisionError

        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, _):
                with pytest.raises(ZeroDivisionError):
                    await upstream.send(request("POST", body=Faulty()))

        run(test())

    def test_an_origin_that_does_not_read_holds_it_back(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.head()
            await asyncio.Event().wait()

        async def test() -> None:
            async with scripted(play) as (upstream, _):
                body = Endless()
                sending = asyncio.create_task(upstream.send(request("POST", body=body)))
                assert await standstill(body) < 32 * MiB  # the socket buffers, mostly
                while not sending.done():
                    upstream.sweep(asyncio.get_running_loop().time() + 61)
                    await asyncio.sleep(0.01)
                with pytest.raises(ProxyError) as caught:
                    await sending
                assert caught.value.failure is errors.CONNECTION_WRITE_TIMEOUT

        run(test())

    def test_an_origin_that_takes_it_slowly_has_its_time(self) -> None:
        gate = asyncio.Semaphore(0)

        async def play(peer: Peer) -> None:
            await peer.head()
            for _ in range(4):
                await gate.acquire()
                taken = 0
                while taken < 8 * MiB:
                    data = await peer.read()
                    assert data
                    taken += len(data)
            await asyncio.Event().wait()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                sending = asyncio.create_task(upstream.send(request("POST", body=bytes(64 * MiB))))
                await origin.asked()
                (used,) = upstream.origins[0]._connections
                now = asyncio.get_running_loop().time()
                for _ in range(4):
                    unsent = used._transport.get_write_buffer_size()
                    gate.release()
                    while used._transport.get_write_buffer_size() >= unsent:  # noqa: ASYNC110 - it is the kernel that takes it
                        await asyncio.sleep(0.001)
                    now += 50
                    upstream.sweep(now)
                assert not sending.done()
                upstream.sweep(now + 61)
                with pytest.raises(ProxyError) as caught:
                    await sending
                assert caught.value.failure is errors.CONNECTION_WRITE_TIMEOUT

        run(test())

    def test_a_slow_client_is_not_the_origins_fault(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                body = pipe(b"hel", length=5, end=False)
                sending = asyncio.create_task(upstream.send(request("POST", body=body)))
                await origin.asked()
                upstream.sweep(asyncio.get_running_loop().time() + 61)
                body.feed(b"lo")
                body.end()
                assert (await sending).body == b"ok"

        run(test())


class TestEarlyAnswer:
    @pytest.mark.parametrize("status", [b"413 Content Too Large", b"200 OK"])
    def test_ends_the_sending(self, status: bytes) -> None:
        answer = b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n\r\nno"

        async def play(peer: Peer) -> None:
            await peer.head()
            await peer.send(answer)
            await peer.gone()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                body = Endless()
                response = await upstream.send(request("POST", body=body))
                assert response.body == b"no"
                assert body.closed
                await origin.peers[0].over.wait()
                await upstream.send(request("POST", body=Endless()))
                assert len(origin.peers) == 2

        run(test())

    def test_a_refusal_that_is_still_arriving_ends_it_too(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nno")
            await peer.head()  # for ever
            raise AssertionError

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                body = pipe(length=9, end=False)
                response = await upstream.send(request("POST", body=body))
                assert await piece(response) == b"no"
                await origin.peers[0].send(b"!!")
                assert await piece(response) == b"!!"
                assert await piece(response) == b""
                await origin.peers[0].over.wait()

        run(test())

    def test_an_answer_may_go_along_with_the_request(self) -> None:
        async def echo(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n")
            for _ in range(3):
                await peer.send(await peer.read())
            await peer.request()
            await peer.send(OK)

        async def test() -> None:
            async with scripted(echo) as (upstream, origin):
                body = pipe(length=6, end=False)
                response = await upstream.send(request("POST", body=body))
                for chunk in (b"ab", b"cd"):
                    body.feed(chunk)
                    assert await piece(response) == chunk
                body.feed(b"ef")
                body.end()
                assert await piece(response) == b"ef"
                assert await piece(response) == b""
                await upstream.send(request())
                assert len(origin.peers) == 1

        run(test())


class TestExpect:
    def test_the_body_waits_for_100(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "CONTINUE_WAIT", 60)

        async def play(peer: Peer) -> None:
            await peer.head()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(peer.read(), 0.02)
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert await peer.read() == b"hello"
            await peer.send(OK)

        async def test() -> None:
            async with scripted(play) as (upstream, _):
                seen: list[int] = []
                exchange = Exchange(inform=lambda status, _: seen.append(status))
                body = pipe(b"hello", length=5)
                assert (await upstream.send(request("POST", "/", EXPECT, body, exchange))).body == b"ok"
                assert seen == [100]

        run(test())

    def test_but_not_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "CONTINUE_WAIT", 0.01)

        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, _):
                response = await upstream.send(request("POST", lines=EXPECT, body=pipe(b"hello", length=5)))
                assert response.body == b"ok"

        run(test())

    def test_a_refusal_leaves_it_unread(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.head()
            await peer.send(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n")
            await peer.gone()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                body = Endless()
                assert (await upstream.send(request("POST", lines=EXPECT, body=body))).status == 417
                assert body.read_so_far == 0
                await origin.peers[0].over.wait()

        run(test())


SIZE = 64 * MiB
LONG = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % SIZE


class TestResponseBody:
    def test_who_does_not_read_holds_the_origin_back(self) -> None:
        sent = 0

        async def play(peer: Peer) -> None:
            nonlocal sent
            while True:
                await peer.request()
                await peer.send(LONG)
                sent = 0
                while sent < SIZE:
                    await peer.send(bytes(MiB))
                    sent += MiB

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                for _ in range(2):
                    response = await upstream.send(request())
                    assert isinstance(response.body, Pipe)
                    before = -1
                    while sent != before or not response.body._paused:
                        before = sent
                        await asyncio.sleep(0.05)
                    assert sent < 32 * MiB  # the socket buffers, mostly
                    upstream.sweep(asyncio.get_running_loop().time() + 61)  # nobody waits for the origin
                    assert len(await collect(response.body, SIZE)) == SIZE
                assert len(origin.peers) == 1

        run(test())

    def test_who_stops_reading_for_good_closes_the_connection(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.request()
            await peer.send(LONG + b"hello")
            await peer.gone()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                response = await upstream.send(request())
                assert await piece(response) == b"hello"
                assert not isinstance(response.body, bytes)
                response.body.close()
                await origin.peers[0].over.wait()

        run(test())

    def test_who_is_cancelled_closes_the_connection(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.request()
            await peer.gone()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                sending = asyncio.create_task(upstream.send(request()))
                await origin.asked()
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                await origin.peers[0].over.wait()

        run(test())

    def test_also_with_a_request_body_on_its_way(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.head()
            await peer.gone()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                body = Endless()
                sending = asyncio.create_task(upstream.send(request("POST", body=body)))
                await origin.asked()
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                assert body.closed
                await origin.peers[0].over.wait()

        run(test())

    def test_a_body_left_unread_has_no_say_over_the_next_exchange(self) -> None:
        """The connection is used again before the reader of the first response has come to its end."""

        async def play(peer: Peer) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 60005\r\n\r\nfirst")
            await peer.request()
            await peer.send(LONG + b"second")
            await peer.gone()

        async def test() -> None:
            async with scripted(play, Limits(max_connections=1)) as (upstream, origin):
                one = await upstream.send(request())
                assert await piece(one) == b"first"
                await origin.peers[0].send(bytes(60_000))
                two = await upstream.send(request())
                assert not isinstance(one.body, bytes)
                one.body.close()
                assert await piece(two) == b"second"
                await origin.peers[0].send(b"!")
                assert await piece(two) == b"!"
                assert len(origin.peers) == 1
                assert not isinstance(two.body, bytes)
                two.body.close()

        run(test())
