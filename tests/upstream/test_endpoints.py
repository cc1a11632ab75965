"""Several endpoints on real sockets: whom requests go to when some of them fail, are full, or say that they are ill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Pipe, Response
from proxy.upstream import Endpoint, Limits, Policy, Upstream
from proxy.upstream.balance import ConsistentHash
from proxy.upstream.checks import Check
from proxy.upstream.health import Ejection, Thresholds
from proxy.upstream.retry import BURST, Retries
from tests.listening import listening
from tests.upstream.scripted import OK, Peer, Play, Scripted, answering, request, run

UNAVAILABLE = b"HTTP/1.1 503 X\r\ncontent-length: 4\r\n\r\nbusy"
ONCE_MORE = Policy(retries=Retries(attempts=1))


@asynccontextmanager
async def several(
    *plays: Play,
    policy: Policy = ONCE_MORE,
    limits: Limits = Limits(),  # noqa: B008
) -> AsyncIterator[tuple[Upstream, list[Scripted]]]:
    """An upstream, and its origins."""
    origins = [Scripted(play) for play in plays]
    async with AsyncExitStack() as servers:
        for origin in origins:
            origin.endpoint = Endpoint("127.0.0.1", await servers.enter_async_context(listening(origin.serve)))
        upstream = Upstream("test", [origin.endpoint for origin in origins], limits, policy=policy)
        try:
            yield upstream, origins
        finally:
            upstream.close()
            await asyncio.sleep(0.01)


async def refuse(peer: Peer) -> None:
    """It resets the connection as soon as a request has come."""
    await peer.head()
    peer.reset()


async def until(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110 - it is somebody else who does it, at another time
        await asyncio.sleep(0.005)


async def moments() -> None:
    """Longer than from one check to the next, and turns enough of the event loop for one that is on its way."""
    for _ in range(30):
        await asyncio.sleep(0.001)


def requests_to(origin: Scripted) -> int:
    return sum(peer.got.count(b" HTTP/1.1\r\n") for peer in origin.peers)


def gone() -> Endpoint:
    return Endpoint("127.0.0.1", 1)


class TestRetries:
    @pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
    def test_at_another_endpoint(self, method: str) -> None:
        async def test() -> None:
            answer = b"HTTP/1.1 204 X\r\n\r\n"
            async with several(refuse, answering(answer)) as (upstream, origins):
                assert (await upstream.send(request(method, body=b"x"))).status == 204
                assert [requests_to(origin) for origin in origins] == [1, 1]
                assert upstream.retries == 1

        run(test())

    @pytest.mark.parametrize("method", ["POST", "PATCH", "FOO"])
    def test_not_what_the_origin_may_have_acted_on(self, method: str) -> None:
        async def test() -> None:
            async with several(refuse, answering(OK)) as (upstream, origins):
                with pytest.raises(ProxyError) as caught:
                    await upstream.send(request(method))
                assert caught.value.failure is errors.CONNECTION_TERMINATED
                assert [requests_to(origin) for origin in origins] == [1, 0]

        run(test())

    def test_but_anything_that_nothing_was_sent_of(self) -> None:
        """No connection could be made; and of a body that streams nothing was read."""

        async def test() -> None:
            async with several(answering(OK)) as (_, (origin,)):
                upstream = Upstream("test", [gone(), origin.endpoint], policy=ONCE_MORE)
                body = Pipe(4)
                body.feed(b"body")
                body.end()
                assert (await upstream.send(request("POST", body=body))).status == 200
                assert origin.peers[0].got.endswith(b"\r\n\r\nbody")
                upstream.close()

        run(test())

    def test_not_when_a_part_of_the_body_is_gone(self) -> None:
        async def test() -> None:
            async def read_some(peer: Peer) -> None:
                await peer.head()
                await peer.read()
                peer.reset()

            async with several(read_some, answering(OK)) as (upstream, origins):
                body = Pipe(10)
                body.feed(b"half")
                with pytest.raises(ProxyError):
                    await upstream.send(request("PUT", body=body))
                assert requests_to(origins[1]) == 0

        run(test())

    @pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\ncontent-le"])
    def test_not_when_an_answer_has_begun(self, begun: bytes) -> None:
        async def test() -> None:
            async def begin(peer: Peer) -> None:
                await peer.request()
                await peer.send(begun)

            async with several(begin, answering(OK)) as (upstream, origins):
                with pytest.raises(ProxyError):
                    await upstream.send(request())
                assert requests_to(origins[1]) == 0

        run(test())

    def test_the_only_endpoint_is_asked_again_as_it_may_just_have_been_restarted(self) -> None:
        async def test() -> None:
            async def once(peer: Peer) -> None:
                await peer.request()
                if peer.number > 1:
                    await peer.send(OK)

            async with several(once) as (upstream, (origin,)):
                assert (await upstream.send(request())).body == b"ok"
                assert len(origin.peers) == 2

        run(test())

    def test_answers_that_are_as_good_as_none(self) -> None:
        async def test() -> None:
            policy = Policy(retries=Retries(attempts=2, statuses=frozenset({503})))
            plays = (answering(UNAVAILABLE), answering(UNAVAILABLE), answering(OK))
            async with several(*plays, policy=policy) as (upstream, origins):
                assert (await upstream.send(request())).body == b"ok"
                assert [requests_to(origin) for origin in origins] == [1, 1, 1]
                posted = [await upstream.send(request("POST")) for _ in range(3)]
                assert {response.status for response in posted} == {200, 503}

        run(test())

    def test_the_last_of_them_is_passed_on(self) -> None:
        async def test() -> None:
            policy = Policy(retries=Retries(attempts=5, statuses=frozenset({503})))
            async with several(answering(UNAVAILABLE), answering(UNAVAILABLE), policy=policy) as (upstream, origins):
                assert (await upstream.send(request())).status == 503
                assert [requests_to(origin) for origin in origins] == [1, 1]

        run(test())

    def test_no_more_than_the_budget_allows(self) -> None:
        async def test() -> None:
            policy = Policy(retries=Retries(attempts=1, budget=0.1), ejection=Ejection(share=0))
            async with several(refuse, refuse, policy=policy) as (upstream, origins):
                for _ in range(30):
                    with pytest.raises(ProxyError):
                        await upstream.send(request())
                sent = sum(requests_to(origin) for origin in origins)
                assert sent == 30 + upstream.retries
                assert BURST <= upstream.retries <= BURST + 3
                assert upstream.retries_refused == 30 - upstream.retries

        run(test())

    def test_a_full_endpoint_is_no_reason_to_fail(self) -> None:
        async def test() -> None:
            async def slow(peer: Peer) -> None:
                await peer.request()
                await peer.gone()

            policy = Policy(balance=lambda: ConsistentHash(1e9), hash_on=lambda _: b"x", retries=Retries(attempts=1))
            limits = Limits(max_connections=1, max_waiting=1)
            async with several(slow, slow, policy=policy, limits=limits) as (upstream, origins):
                waiting = []
                for number in range(1, 5):
                    waiting.append(asyncio.ensure_future(upstream.send(request())))
                    await until(lambda: sum(origin.load for origin in upstream.origins) == number)  # noqa: B023
                    await until(lambda: sum(requests_to(origin) for origin in origins) >= (number + 1) // 2)  # noqa: B023
                assert [origin.load for origin in upstream.origins] == [2, 2]
                with pytest.raises(ProxyError) as caught:
                    await upstream.send(request())
                assert caught.value.failure is errors.CONNECTION_LIMIT_REACHED
                for each in waiting:
                    each.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)

        run(test())


class TestEjection:
    def test_who_fails_is_left_out_for_a_while(self) -> None:
        async def test() -> None:
            policy = Policy(retries=Retries(attempts=1), ejection=Ejection(failures=2, first=1000))
            async with several(refuse, answering(OK), policy=policy) as (upstream, origins):
                for _ in range(10):
                    assert (await upstream.send(request())).body == b"ok"
                assert requests_to(origins[0]) == 2
                assert upstream.origins[0].ejections == 1
                now = upstream.origins[0].health.ejected_until = asyncio.get_running_loop().time()
                upstream.sweep(now)  # its while is over
                for _ in range(4):
                    await upstream.send(request())
                assert requests_to(origins[0]) == 3  # on probation: one failure is enough
                assert upstream.origins[0].ejections == 2

        run(test())

    def test_by_what_it_answers_if_that_is_asked_for(self) -> None:
        async def test() -> None:
            policy = Policy(ejection=Ejection(errors=2))
            async with several(answering(UNAVAILABLE), answering(OK), policy=policy) as (upstream, _):
                statuses = [(await upstream.send(request())).status for _ in range(7)]
                assert statuses == [503, 200, 503, 200, 200, 200, 200]

        run(test())

    def test_an_answer_that_breaks_off_counts(self) -> None:
        async def test() -> None:
            async def half(peer: Peer) -> None:
                await peer.request()
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

            policy = Policy(ejection=Ejection(failures=1))
            async with several(half, answering(OK), policy=policy) as (upstream, _):
                response = await upstream.send(request())
                assert not isinstance(response.body, bytes)
                assert await response.body.read() == b"half"
                with pytest.raises(ProxyError):
                    await response.body.read()
                upstream.sweep(asyncio.get_running_loop().time())
                assert upstream.origins[0].failures == {"http_response_incomplete": 1}
                assert [(await upstream.send(request())).body for _ in range(3)] == [b"ok"] * 3

        run(test())

    def test_the_last_one_stays(self) -> None:
        async def test() -> None:
            policy = Policy(ejection=Ejection(failures=1, share=1.0))
            async with several(refuse, refuse, policy=policy) as (upstream, origins):
                for _ in range(6):
                    with pytest.raises(ProxyError) as caught:
                        await upstream.send(request())
                    assert caught.value.failure is errors.CONNECTION_TERMINATED
                assert [requests_to(origin) for origin in origins] == [1, 5]

        run(test())


class Ill:
    """An origin that answers /health as it feels, and everything else with its number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.well = True
        self.checks = 0

    async def play(self, peer: Peer) -> None:
        while head := await peer.request():
            if head.startswith(b"GET /health?deep HTTP/1.1\r\nhost: checked.example\r\n"):
                self.checks += 1
                await peer.send(OK if self.well else UNAVAILABLE)
            else:
                await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % self.number)


def checking() -> Policy:
    thresholds = Thresholds(unhealthy=2, healthy=2)
    return Policy(check=Check("/health?deep", frozenset({200}), "checked.example", 0.005, 60.0, thresholds))


class TestChecks:
    def test_who_does_not_pass_gets_no_requests_until_it_passes_again(self) -> None:
        async def test() -> None:
            one, two = Ill(1), Ill(2)
            async with several(one.play, two.play, policy=checking()) as (upstream, _):
                upstream.start()
                await until(lambda: two.checks > 1)
                assert await answers(upstream, 4) == {b"1", b"2"}
                one.well = False
                await until(lambda: upstream.origins[0].checks_failed >= 2)
                assert await answers(upstream, 4) == {b"2"}
                one.well, before = True, one.checks
                await until(lambda: one.checks >= before + 3)
                assert await answers(upstream, 4) == {b"1", b"2"}

        run(test())

    def test_when_nobody_passes_the_answer_says_so_at_once(self) -> None:
        async def test() -> None:
            one = Ill(1)
            one.well = False
            async with several(one.play, policy=checking()) as (upstream, _):
                upstream.start()
                await until(lambda: upstream.origins[0].checks > 0)
                with pytest.raises(ProxyError, match="no endpoint of test is healthy") as caught:
                    await upstream.send(request())
                assert caught.value.failure is errors.DESTINATION_UNAVAILABLE
                assert caught.value.status == 503

        run(test())

    def test_who_cannot_be_connected_to_or_says_nothing_does_not_pass(self) -> None:
        async def test() -> None:
            async def silent(peer: Peer) -> None:
                await peer.gone()

            policy = Policy(check=Check("/", frozenset({200}), None, 0.01, 0.02))
            async with several(silent, policy=policy) as (_, (origin,)):
                upstream = Upstream("test", [gone(), origin.endpoint], policy=policy)
                upstream.start()
                await until(lambda: all(each.checks_failed for each in upstream.origins))
                with pytest.raises(ProxyError):
                    await upstream.send(request())
                upstream.close()

        run(test())

    def test_a_retired_upstream_asks_no_more(self) -> None:
        async def test() -> None:
            one = Ill(1)
            async with several(one.play, policy=checking()) as (upstream, _):
                upstream.start()
                await until(lambda: one.checks > 0)
                upstream.drain()
                await moments()  # one may be on its way
                before = one.checks
                await moments()
                assert one.checks == before
                assert await answers(upstream, 1) == {b"1"}
                assert one.checks == before

        run(test())


async def answers(upstream: Upstream, count: int) -> set[object]:
    responses: list[Response] = [await upstream.send(request()) for _ in range(count)]
    return {response.body for response in responses}
