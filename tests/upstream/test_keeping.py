"""Connections that are kept, shared, waited for and given up."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from proxy import errors
from proxy.errors import Failure, ProxyError
from proxy.exchange import Pipe, running
from proxy.upstream import Endpoint, Limits, Policy, Upstream, connection
from proxy.upstream.connect import connect_clear
from proxy.upstream.connection import Connection
from proxy.upstream.retry import Retries
from tests.ports import free_port
from tests.upstream.scripted import OK, Peer, answering, answering_once, request, run, scripted


async def failure_of(task: asyncio.Task[object] | None, upstream: Upstream, method: str = "GET") -> Failure:
    with pytest.raises(ProxyError) as caught:
        await (upstream.send(request(method)) if task is None else task)
    return caught.value.failure


async def soon() -> None:
    """What the other side has done by now gets here."""
    for _ in range(20):
        await asyncio.sleep(0.001)


class Deaf(asyncio.Transport):
    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def abort(self) -> None:
        pass


def later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


class TestReuse:
    def test_one_request_after_the_other_on_one_connection(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                for method in ("GET", "POST", "GET"):
                    assert (await upstream.send(request(method))).body == b"ok"
                assert len(origin.peers) == 1

        run(test())

    def test_free_once_its_answer_was_made_use_of(self) -> None:
        """So what is sent unasked behind an answer does not answer the next request of a client that sends ahead."""
        told: list[object] = []

        async def exchange(of: Connection) -> None:
            told.append((await of.ask(request(), b"GET / HTTP/1.1\r\n\r\n")).body)

        async def test() -> None:
            own = Connection(1, 1, lambda _: told.append("free"), lambda _: told.append("lost"))
            own.connection_made(Deaf())
            running.run(exchange(own), lambda error: told.append(f"ended: {error}"))
            own.data_received(OK)
            own.data_received(OK)

        run(test())
        assert told == [b"ok", "ended: None", "free", "lost"]

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n",
            b"HTTP/1.0 204 X\r\n\r\n",
            b"HTTP/1.1 204 X\r\n\r\nmore",
            b"HTTP/1.1 204 X\r\n\r\n" + OK,
        ],
    )
    def test_a_connection_that_is_not_to_be_used_again(self, answer: bytes) -> None:
        async def test() -> None:
            async with scripted(answering(answer)) as (upstream, origin):
                for _ in range(3):
                    assert (await upstream.send(request())).status == 204
                assert len(origin.peers) == 3

        run(test())

    def test_bytes_on_an_idle_connection_close_it(self) -> None:
        """An answer to a question that nobody asked must not become the answer to the next."""

        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                await upstream.send(request())
                await origin.peers[0].send(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
                await origin.peers[0].over.wait()
                assert (await upstream.send(request())).body == b"ok"
                assert len(origin.peers) == 2

        run(test())

    def test_a_closed_idle_connection_is_forgotten(self) -> None:
        async def test() -> None:
            async with scripted(answering_once(OK)) as (upstream, origin):
                await upstream.send(request())
                while upstream.origins[0].connections != (0, 0):
                    await soon()
                assert (await upstream.send(request("POST"))).body == b"ok"
                assert len(origin.peers) == 2

        run(test())

    def test_endpoints_take_turns(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (_, one), scripted(answering(OK)) as (_, two):
                upstream = Upstream("both", [one.endpoint, two.endpoint])
                for _ in range(4):
                    await upstream.send(request())
                assert [peer.got.count(b"GET") for peer in one.peers + two.peers] == [2, 2]
                upstream.close()

        run(test())


async def dead_when_used_again(peer: Peer) -> None:
    """The first connection closes when the second request comes, instead of answering it."""
    await peer.request()
    await peer.send(OK)
    await peer.request()
    if peer.number > 1:
        await peer.send(OK)


class TestRetry:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
    def test_a_request_that_may_be_repeated_is_sent_on_a_fresh_connection(self, method: str) -> None:
        async def test() -> None:
            async with scripted(dead_when_used_again) as (upstream, origin):
                await upstream.send(request())
                assert (await upstream.send(request(method, body=b"x"))).status == 200
                assert [peer.got.count(b"HTTP/1.1") for peer in origin.peers] == [2, 1]

        run(test())

    @pytest.mark.parametrize("method", ["POST", "PATCH", "FOO"])
    def test_another_is_not(self, method: str) -> None:
        async def test() -> None:
            async with scripted(dead_when_used_again) as (upstream, origin):
                await upstream.send(request())
                assert await failure_of(None, upstream, method) is errors.CONNECTION_TERMINATED
                assert len(origin.peers) == 1

        run(test())

    def test_once(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.request()
            if peer.number == 1:
                await peer.send(OK)
                await peer.request()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                await upstream.send(request())
                assert await failure_of(None, upstream) is errors.CONNECTION_TERMINATED
                assert len(origin.peers) == 2

        run(test())

    def test_not_when_the_connection_was_fresh(self) -> None:
        async def test() -> None:
            async with scripted(answering_once(b"")) as (upstream, origin):
                assert await failure_of(None, upstream) is errors.CONNECTION_TERMINATED
                assert len(origin.peers) == 1

        run(test())

    def test_not_when_a_byte_of_the_response_came(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.request()
            await peer.send(b"H")

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                await upstream.send(request())
                assert await failure_of(None, upstream) is errors.HTTP_RESPONSE_INCOMPLETE
                assert len(origin.peers) == 1

        run(test())

    def test_not_when_something_of_the_body_is_gone(self) -> None:
        async def play(peer: Peer) -> None:
            await peer.request()
            await peer.send(OK)
            await peer.head()

        async def test() -> None:
            async with scripted(play) as (upstream, origin):
                await upstream.send(request())
                body = Pipe(2)
                body.feed(b"x")
                with pytest.raises(ProxyError) as caught:
                    await upstream.send(request("PUT", body=body))
                assert caught.value.failure is errors.CONNECTION_TERMINATED
                assert len(origin.peers) == 1

        run(test())

    def test_but_when_the_body_waits_for_a_go_ahead(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "CONTINUE_WAIT", 60)

        async def test() -> None:
            async with scripted(dead_when_used_again) as (upstream, origin):
                await upstream.send(request())
                body = Pipe(2)
                body.feed(b"hi")
                body.end()
                asking = asyncio.create_task(
                    upstream.send(request("PUT", lines=((b"expect", b"100-continue"),), body=body))
                )
                await soon()
                origin.peers[0].close()
                await (await origin.asked(2)).send(b"HTTP/1.1 100 Continue\r\n\r\n")
                assert (await asking).status == 200
                assert origin.peers[1].got.endswith(b"\r\n\r\nhi")

        run(test())


class TestBound:
    def test_who_finds_all_connections_in_use_waits_in_line(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK), Limits(max_connections=1)) as (upstream, origin):
                await asyncio.gather(*(upstream.send(request(path=f"/{i}")) for i in range(5)))
                assert len(origin.peers) == 1
                order = [line.split()[1] for line in origin.peers[0].got.split(b"\r\n") if line.startswith(b"GET")]
                assert order == [b"/0", b"/1", b"/2", b"/3", b"/4"]

        run(test())

    def test_and_gets_a_new_connection_when_one_closes(self) -> None:
        async def test() -> None:
            once = answering(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n")
            async with scripted(once, Limits(max_connections=2)) as (upstream, origin):
                await asyncio.gather(*(upstream.send(request("POST")) for _ in range(5)))
                assert len(origin.peers) == 5

        run(test())

    def test_a_full_line(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK), Limits(max_connections=1, max_waiting=1)) as (upstream, _):
                sending = [asyncio.create_task(upstream.send(request())) for _ in range(4)]
                done = await asyncio.gather(*sending, return_exceptions=True)
                failures = [each.failure for each in done if isinstance(each, ProxyError)]
                assert failures == [errors.CONNECTION_LIMIT_REACHED] * 3

        run(test())

    def test_too_long_a_wait(self) -> None:
        async def silent(peer: Peer) -> None:
            await peer.gone()

        async def test() -> None:
            async with scripted(silent, Limits(max_connections=1)) as (upstream, _):
                began = later(0)
                first = asyncio.create_task(upstream.send(request()))
                await soon()
                second = asyncio.create_task(upstream.send(request()))
                await soon()
                upstream.sweep(began + 4)
                await soon()
                assert not second.done()
                upstream.sweep(later(6))
                with pytest.raises(ProxyError) as caught:
                    await second
                assert caught.value.failure is errors.CONNECTION_LIMIT_REACHED
                first.cancel()
                await asyncio.wait([first])

        run(test())

    def test_who_is_cancelled_in_line_leaves_it(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK), Limits(max_connections=1)) as (upstream, origin):
                tasks = [asyncio.create_task(upstream.send(request(path=f"/{i}"))) for i in range(4)]
                await asyncio.sleep(0)
                tasks[0].cancel()  # the one for whom the connection is being opened
                tasks[2].cancel()
                assert (await tasks[1]).body == (await tasks[3]).body == b"ok"
                assert len(origin.peers) == 1
                assert b"/0" not in origin.peers[0].got
                assert b"/2" not in origin.peers[0].got

        run(test())


class TestTime:
    def test_an_idle_connection_is_closed(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                began = later(0)
                await upstream.send(request())
                upstream.sweep(began + 59)
                await upstream.send(request())
                assert len(origin.peers) == 1
                upstream.sweep(later(61))
                await origin.peers[0].over.wait()
                await upstream.send(request())
                assert len(origin.peers) == 2

        run(test())

    def test_no_answer(self) -> None:
        async def test() -> None:
            async with scripted(answering(b"HTTP/1.1 102 Processing\r\n\r\n")) as (upstream, origin):
                asking = asyncio.create_task(upstream.send(request()))
                await origin.asked()
                upstream.sweep(later(61))
                with pytest.raises(ProxyError) as caught:
                    await asking
                assert caught.value.failure is errors.HTTP_RESPONSE_TIMEOUT
                assert caught.value.status == 504
                await origin.peers[0].over.wait()

        run(test())

    def test_half_an_answer(self) -> None:
        async def test() -> None:
            async with scripted(answering(b"HTTP/1.1 200 OK\r\n\r\nhello")) as (upstream, origin):
                began = later(0)
                body = (await upstream.send(request())).body
                assert not isinstance(body, bytes)
                upstream.sweep(began + 59)
                upstream.sweep(later(61))
                assert await body.read() == b"hello"
                with pytest.raises(ProxyError) as caught:
                    await body.read()
                assert caught.value.failure is errors.CONNECTION_READ_TIMEOUT
                await origin.peers[0].over.wait()

        run(test())

    def test_the_sweep_comes_by_itself(self) -> None:
        async def test() -> None:
            async with scripted(answering(b""), Limits(response_timeout=0.02)) as (upstream, _):
                assert await failure_of(None, upstream) is errors.HTTP_RESPONSE_TIMEOUT
                assert await failure_of(None, upstream) is errors.HTTP_RESPONSE_TIMEOUT

        run(test())


class TestConnecting:
    def test_refused(self) -> None:
        async def test() -> None:
            upstream = Upstream("gone", [Endpoint("127.0.0.1", free_port())])
            assert await failure_of(None, upstream) is errors.CONNECTION_REFUSED
            done = await asyncio.gather(*(upstream.send(request()) for _ in range(3)), return_exceptions=True)
            assert [each.failure for each in done if isinstance(each, ProxyError)] == [errors.CONNECTION_REFUSED] * 3

        run(test())

    def test_refused_one_after_the_other(self) -> None:
        """The line goes on being served: each in it has its own try."""

        async def test() -> None:
            upstream = Upstream("gone", [Endpoint("127.0.0.1", free_port())], Limits(max_connections=1))
            done = await asyncio.gather(*(upstream.send(request()) for _ in range(3)), return_exceptions=True)
            assert [each.failure for each in done if isinstance(each, ProxyError)] == [errors.CONNECTION_REFUSED] * 3

        run(test())

    def test_a_name_that_is_none(self) -> None:
        async def test() -> None:
            assert await failure_of(None, Upstream("odd", [Endpoint("a..b", 80)])) is errors.DNS_ERROR

        run(test())

    def test_not_in_time(self) -> None:
        async def never(*_: object) -> None:
            await asyncio.Event().wait()

        async def test() -> None:
            far = Endpoint("192.0.2.1", 80)
            upstream = Upstream("far", [far], Limits(connect_timeout=0.02), never)  # type: ignore[arg-type]
            assert await failure_of(None, upstream) is errors.CONNECTION_TIMEOUT

        run(test())

    def test_who_wants_to_wait_no_longer(self) -> None:
        """That is its own affair: the connection is for others, and nothing is held against the origin."""

        async def test() -> None:
            ready = asyncio.Event()

            async def slowly(endpoint: Endpoint, protocol: Any) -> Any:
                await ready.wait()
                return await connect_clear(endpoint, protocol)

            async with scripted(answering(OK)) as (_, origin):
                policy = Policy(retries=Retries(attempts=3))
                upstream = Upstream("slow", [origin.endpoint], Limits(max_connections=1), slowly, policy)
                now = asyncio.get_running_loop().time()
                opening, in_line, patient = (
                    asyncio.create_task(upstream.send(request(), by)) for by in (now + 0.01, now + 0.02, None)
                )
                for hurried in (opening, in_line):
                    with pytest.raises(ProxyError, match="no connection within the time") as caught:
                        await hurried
                    assert caught.value.failure is errors.CONNECTION_TIMEOUT
                ready.set()
                assert (await patient).body == b"ok"
                assert len(origin.peers) == 1
                assert upstream.retries == 0
                assert not upstream.origins[0].failures
                assert (await upstream.send(request(), now)).body == b"ok"  # one that is idle needs no waiting
                upstream.close()

        run(test())


class TestTheEnd:
    def test_drain_closes_idle_connections_now_and_used_ones_after_their_exchange(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK)) as (upstream, origin):
                await asyncio.gather(upstream.send(request()), upstream.send(request()))
                asking = asyncio.create_task(upstream.send(request()))
                await asyncio.sleep(0)
                upstream.drain()
                assert (await asking).body == b"ok"
                for peer in origin.peers:
                    await peer.over.wait()
                assert (await upstream.send(request())).body == b"ok"
                await origin.peers[2].over.wait()

        run(test())

    def test_close_fails_what_goes_on_and_who_waits(self) -> None:
        async def test() -> None:
            async with scripted(answering(b""), Limits(max_connections=1)) as (upstream, _):
                tasks = [asyncio.create_task(upstream.send(request())) for _ in range(3)]
                await soon()
                upstream.close()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                failures = [each.failure for each in done if isinstance(each, ProxyError)]
                assert failures == [errors.DESTINATION_UNAVAILABLE] * 3

        run(test())

    def test_also_for_whom_a_connection_is_being_opened(self) -> None:
        async def test() -> None:
            async with scripted(answering(OK), Limits(max_connections=1)) as (upstream, _):
                tasks = [asyncio.create_task(upstream.send(request())) for _ in range(3)]
                await asyncio.sleep(0)
                upstream.close()
                done = await asyncio.gather(*tasks, return_exceptions=True)
                failures = [each.failure for each in done if isinstance(each, ProxyError)]
                assert failures == [errors.DESTINATION_UNAVAILABLE] * 3

        run(test())
