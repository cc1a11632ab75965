"""Bodies that arrive while they are stored, and concurrent misses that share one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Pipe, Request, Response, Stream
from proxy.exchange.observation import UNREPEATABLE, observed
from proxy.http.fields import Fields
from proxy.stages import cache
from tests.cache.scene import Answer, Scene, arriving, lines, request, response, run

FRESH = "cache-control: max-age=60"


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # other tasks of this loop make it true
        await asyncio.sleep(0)


def _streamed(pipe: Pipe, fields: str = FRESH) -> Callable[[Request], Response]:
    return lambda _: Response(200, Fields(lines(fields)), pipe)


def _stream(response: Response) -> Stream:
    assert not isinstance(response.body, bytes)
    return response.body


def test_a_body_passes_as_it_arrives_and_is_stored_at_its_end() -> None:
    async def scenario() -> None:
        pipe = arriving(b"one,", length=8)
        scene = Scene(_streamed(pipe))
        body = _stream(await scene.stage(request(), scene.below))
        assert body.length == 8
        assert await body.read() == b"one,"
        assert scene.variants == 0
        pipe.feed(b"two.")
        pipe.end(Fields([(b"x-sum", b"1")]))
        assert await body.read() == b"two."
        assert await body.read() == b""
        assert body.trailers == Fields([(b"x-sum", b"1")])
        hit = await scene.ask(request())
        assert (hit.outcome, hit.body, hit["content-length"]) == ("hit", b"one,two.", "8")

    run(scenario())


def test_what_is_read_while_the_body_arrives_selects_too() -> None:
    class Reading:
        """A filter's on-body, that reads a cookie at the end."""

        length = None
        trailers = None

        def __init__(self, request: Request) -> None:
            self._request, self._left = request, [b"body", b""]

        async def read(self) -> bytes:
            if len(self._left) == 1:
                observed(self._request, ("cookie", "late"))
            return self._left.pop(0)

        def close(self) -> None:
            pass

    scene = Scene(lambda r: Response(200, Fields(lines(FRESH)), Reading(r)))
    assert scene.get("cookie: late=1").outcome == "fwd=uri-miss; stored"
    assert scene.get("cookie: late=1").outcome == "hit"
    assert scene.get("cookie: late=2").outcome == "fwd=vary-miss; stored"


def test_an_accident_while_the_body_arrives_is_not_stored() -> None:
    async def scenario() -> None:
        scene = Scene(_streamed(pipe := arriving(b"body")))
        asked = request()
        body = _stream(await scene.stage(asked, scene.below))
        observed(scene.asked[0], UNREPEATABLE)
        pipe.end()
        while await body.read():
            pass
        assert scene.store.get(("http", "a.example", "/", None)) is None

    run(scenario())


def test_a_body_that_breaks_is_not_stored() -> None:
    async def scenario() -> None:
        pipe = arriving(b"half")
        pipe.fail(ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, "gone"))
        scene = Scene(_streamed(pipe))
        with pytest.raises(ProxyError, match="incomplete"):
            await scene.ask(request())
        assert scene.variants == 0

    run(scenario())


def test_a_client_that_goes_away_ends_the_fetch() -> None:
    async def scenario() -> None:
        closed: list[bool] = []
        pipe = Pipe(on_close=lambda: closed.append(True))
        scene = Scene(_streamed(pipe))
        body = _stream(await scene.stage(request(), scene.below))
        body.close()
        body.close()
        assert closed == [True]
        assert scene.variants == 0

    run(scenario())


def test_a_body_that_grows_too_long_is_passed_on_and_no_longer_kept() -> None:
    async def scenario() -> None:
        pipe = arriving(bytes(600))
        scene = Scene(_streamed(pipe), limit=1000)
        body = _stream(await scene.stage(request(), scene.below))
        assert len(await body.read()) == 600
        assert scene.store.size == 600
        pipe.feed(bytes(600))
        assert len(await body.read()) == 600
        pipe.feed(b"x")
        pipe.end()
        assert await body.read() == b"x"
        assert scene.store.size == 0
        assert scene.variants == 0

    run(scenario())


def test_a_body_announced_too_long_is_passed_on_as_it_is() -> None:
    async def scenario() -> None:
        pipe = Pipe(length=1001)
        scene = Scene(_streamed(pipe), limit=1000)
        answer = await scene.stage(request(), scene.below)
        assert answer.body is pipe
        assert (answer.fields.get(b"cache-status") or b"").endswith(b"detail=size")

    run(scenario())


def test_a_304_to_the_client_still_fills_the_cache() -> None:
    async def scenario() -> None:
        pipe = arriving(b"body")
        scene = Scene(_streamed(pipe, FRESH + '|etag: "a"'))
        answer = await scene.ask(request('if-none-match: "a"'))
        assert (answer.status, answer.body) == (304, b"")
        pipe.end()
        await _until(lambda: scene.variants == 1)
        assert (await scene.ask(request())).body == b"body"

    run(scenario())


class Origin:
    """Answers when `go` is set; counts."""

    def __init__(self, answer: Callable[[Request], Response]) -> None:
        self.answer = answer
        self.asked: list[Request] = []
        self.go = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        self.asked.append(request)
        await self.go.wait()
        return self.answer(request)


def _crowd(scene: Scene, origin: Callable[[Request], Awaitable[Response]], *fields: str) -> list[asyncio.Task[Answer]]:
    return [asyncio.create_task(scene.ask(request(each), origin)) for each in fields]


def test_concurrent_misses_ask_once() -> None:
    async def scenario() -> None:
        scene, origin = Scene(), Origin(lambda _: response(FRESH))
        crowd = _crowd(scene, origin, *[""] * 1000)
        await asyncio.sleep(0)
        origin.go.set()
        answers = await asyncio.gather(*crowd)
        assert len(origin.asked) == 1
        assert answers[0].outcome == "fwd=uri-miss; stored"
        assert {answer.cache_status for answer in answers[1:]} == {"pages; fwd=uri-miss; collapsed; ttl=60"}
        assert {answer.body for answer in answers} == {b"body"}

    run(scenario())


def test_waiting_ends_when_the_body_has() -> None:
    async def scenario() -> None:
        pipe = arriving(b"half")
        scene = Scene(_streamed(pipe))
        first, second = _crowd(scene, scene.below, "", "")
        await _until(lambda: not pipe.ended and len(scene.asked) == 1)
        pipe.feed(b"half")
        pipe.end()
        assert (await first).body == (await second).body == b"halfhalf"
        assert len(scene.asked) == 1

    run(scenario())


def test_concurrent_validations_ask_once() -> None:
    async def scenario() -> None:
        scene = Scene(response(FRESH + '|etag: "a"'))
        await scene.ask(request())
        scene.now += 61
        origin = Origin(lambda _: response("", b"", 304))
        crowd = _crowd(scene, origin, *[""] * 10)
        await asyncio.sleep(0)
        origin.go.set()
        answers = await asyncio.gather(*crowd)
        assert len(origin.asked) == 1
        assert {answer.outcome for answer in answers[1:]} == {"fwd=stale; collapsed"}

    run(scenario())


def test_different_variants_do_not_wait_for_each_other_once_known() -> None:
    async def scenario() -> None:
        vary = lambda r: response(FRESH + "|vary: x", r.fields.get(b"x") or b"")  # noqa: E731
        scene = Scene(vary)
        await scene.ask(request("x: 0"))
        origin = Origin(vary)
        crowd = _crowd(scene, origin, *("x: 1", "x: 2", "x: 3") * 5)
        await asyncio.sleep(0)
        assert len(origin.asked) == 3
        origin.go.set()
        assert [answer.body for answer in await asyncio.gather(*crowd)] == [b"1", b"2", b"3"] * 5
        assert len(origin.asked) == 3

    run(scenario())


def test_unknown_variants_find_out_and_then_go_side_by_side() -> None:
    async def scenario() -> None:
        scene, origin = Scene(), Origin(lambda r: response(FRESH + "|vary: x", r.fields.get(b"x") or b""))
        crowd = _crowd(scene, origin, *("x: 1", "x: 2", "x: 3") * 5)
        await asyncio.sleep(0)
        assert len(origin.asked) == 1
        origin.go.set()
        assert [answer.body for answer in await asyncio.gather(*crowd)] == [b"1", b"2", b"3"] * 5
        assert len(origin.asked) == 3

    run(scenario())


def test_what_cannot_be_shared_does_not_queue() -> None:
    async def scenario() -> None:
        scene, origin = Scene(), Origin(lambda _: response("cache-control: no-store"))
        crowd = _crowd(scene, origin, *[""] * 10)
        await asyncio.sleep(0)
        assert len(origin.asked) == 1
        origin.go.set()
        await asyncio.gather(*crowd)
        origin.go.clear()
        crowd = _crowd(scene, origin, *[""] * 10)
        await asyncio.sleep(0)
        assert len(origin.asked) == 20
        origin.go.set()
        await asyncio.gather(*crowd)
        scene.now += 11
        origin.go.clear()
        crowd = _crowd(scene, origin, *[""] * 10)
        await asyncio.sleep(0)
        assert len(origin.asked) == 21
        origin.go.set()
        await asyncio.gather(*crowd)

    run(scenario())


def test_when_the_leader_fails_the_next_one_asks() -> None:
    async def scenario() -> None:
        scene = Scene()
        failures: list[BaseException] = [ProxyError(errors.CONNECTION_REFUSED, "no")]

        def answer(_: Request) -> Response:
            if failures:
                raise failures.pop()
            return response(FRESH)

        origin = Origin(answer)
        crowd = _crowd(scene, origin, *[""] * 5)
        await asyncio.sleep(0)
        origin.go.set()
        first, *others = await asyncio.gather(*crowd, return_exceptions=True)
        assert isinstance(first, ProxyError)
        assert [answer.status for answer in others if isinstance(answer, Answer)] == [200] * 4
        assert len(origin.asked) == 2

    run(scenario())


def test_a_follower_that_goes_away_is_forgotten() -> None:
    async def scenario() -> None:
        scene, origin = Scene(), Origin(lambda _: response(FRESH))
        leader, follower = _crowd(scene, origin, "", "")
        await asyncio.sleep(0)
        follower.cancel()
        await asyncio.sleep(0)
        origin.go.set()
        assert (await leader).body == b"body"

    run(scenario())


def test_the_leader_s_client_going_away_does_not_end_what_others_wait_for() -> None:
    async def scenario() -> None:
        pipe = arriving(b"half")
        scene = Scene(_streamed(pipe))
        leading = _stream(await scene.stage(request(), scene.below))
        assert await leading.read() == b"half"
        (follower,) = _crowd(scene, scene.below, "")
        await asyncio.sleep(0)
        leading.close()
        await asyncio.sleep(0)
        pipe.feed(b"half")
        pipe.end()
        assert (await follower).body == b"halfhalf"
        assert len(scene.asked) == 1

    run(scenario())


def test_patience_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        scene, stuck = Scene(response("cache-control: no-store")), Origin(lambda _: response(FRESH))
        (leader,) = _crowd(scene, stuck, "")
        await asyncio.sleep(0)
        assert (await scene.ask(request())).outcome == "fwd=uri-miss; detail=no-store"
        scene.now += 11
        begun = asyncio.get_running_loop().time()
        monkeypatch.setattr(cache, "PATIENCE", 60)
        assert (await scene.ask(request())).outcome == "fwd=uri-miss; detail=no-store"  # waits for nobody any more
        assert asyncio.get_running_loop().time() - begun < 30
        stuck.go.set()
        assert (await leader).outcome == "fwd=uri-miss; stored"

    monkeypatch.setattr(cache, "PATIENCE", 0.01)
    run(scenario())


def test_a_request_that_wants_a_newer_one_does_not_wait() -> None:
    async def scenario() -> None:
        scene, origin = Scene(), Origin(lambda _: response(FRESH))
        crowd = _crowd(scene, origin, "", "cache-control: no-cache", "cache-control: max-age=0")
        await asyncio.sleep(0)
        assert len(origin.asked) == 3
        origin.go.set()
        await asyncio.gather(*crowd)

    run(scenario())
