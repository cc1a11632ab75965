"""When a stale response is used: while a newer one is fetched, and in place of an error (RFC 5861)."""

from __future__ import annotations

import asyncio

import pytest

from proxy import errors
from proxy.cache.policy import Rules
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.observation import observed
from tests.cache.scene import Scene, arriving, request, response, run

WHILE = 'cache-control: max-age=60, stale-while-revalidate=30|etag: "a"'
DOWN = ProxyError(errors.CONNECTION_REFUSED, "no")


async def settled() -> None:
    """Let what goes on in the background come to its end."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_stale_is_used_while_a_newer_one_is_fetched() -> None:
    scene = Scene(response(WHILE, b"old"), response(WHILE, b"new"))

    async def story() -> None:
        await scene.ask(request())
        scene.now += 70
        stale = await scene.ask(request('if-none-match: "z"|range: bytes=0-0|cache-control: max-stale|x: 1'))
        assert (stale.status, stale.body, stale["age"], stale.cache_status) == (206, b"o", "70", "pages; hit; ttl=-10")
        await settled()
        fresh = await scene.ask(request())
        assert (fresh.body, fresh.cache_status) == (b"new", "pages; hit; ttl=60")

    run(story())
    assert scene.asked[1].fields.lines == [(b"x", b"1"), (b"if-none-match", b'"a"')]


@pytest.mark.parametrize(
    "given", ["max-age=0, stale-while-revalidate=30", "max-age=60, stale-while-revalidate=30|age: 70"]
)
def test_what_is_stale_from_the_beginning_is_used_likewise(given: str) -> None:
    scene = Scene(response(f"cache-control: {given}", b"old"), response(f"cache-control: {given}", b"new"))

    async def story() -> None:
        await scene.ask(request())
        scene.now += 5
        assert (await scene.ask(request())).body == b"old"
        await settled()
        assert (await scene.ask(request())).body == b"new"

    run(story())


def test_one_newer_one_is_fetched_at_a_time_and_not_for_the_client() -> None:
    gate = asyncio.Event()
    scene = Scene(response(WHILE, b"old"), response(WHILE, b"new"))

    async def slow(asked: Request) -> Response:
        answer = await scene.below(asked)
        await gate.wait()
        return answer

    async def story() -> None:
        await scene.ask(request())
        scene.now += 70
        asked = request()
        assert [(await scene.ask(asked, slow)).body for _ in range(3)] == [b"old"] * 3
        await settled()
        assert len(scene.asked) == 2
        background = scene.asked[1].exchange
        assert background is not asked.exchange
        assert background.inform is None
        gate.set()
        await settled()
        assert (await scene.ask(request())).body == b"new"
        assert len(scene.asked) == 2
        assert asked.exchange.cache_status == ["pages; hit; ttl=-10"] * 3

    run(story())


def test_a_newer_one_that_arrives_over_time_is_read_to_its_end() -> None:
    body = arriving(b"n", b"ew")
    scene = Scene(response(WHILE, b"old"), Response(200, response(WHILE).fields, body))

    async def story() -> None:
        await scene.ask(request())
        scene.now += 70
        await scene.ask(request())
        await settled()
        body.end()
        await settled()
        assert (await scene.ask(request())).body == b"new"

    run(story())


@pytest.mark.parametrize("newer", [DOWN, response("cache-control: no-store"), response("", b"", 503)])
def test_the_next_request_tries_again(newer: Response | ProxyError) -> None:
    scene = Scene(response(WHILE, b"old"), newer, response(WHILE, b"new"))

    async def story() -> None:
        await scene.ask(request())
        scene.now += 70
        for _ in range(2):
            assert (await scene.ask(request())).body == b"old"
            await settled()
        assert (await scene.ask(request())).body == b"new"

    run(story())
    assert len(scene.asked) == 3


def test_what_has_not_changed_is_fresh_again() -> None:
    scene = Scene(response(WHILE, b"old"), response("", b"", 304))

    async def story() -> None:
        await scene.ask(request())
        scene.now += 70
        await scene.ask(request())
        await settled()
        assert (await scene.ask(request())).cache_status == "pages; hit; ttl=60"

    run(story())


def test_the_caches_above_learn_what_the_stale_response_depends_on() -> None:
    outer = Scene()
    inner = Scene()

    async def innermost(asked: Request) -> Response:
        observed(asked, ("cookie", "theme"))
        return response(WHILE, (asked.fields.get(b"cookie") or b"")[-1:])

    async def between(asked: Request) -> Response:
        return await inner.stage(asked, innermost)

    async def story() -> None:
        for theme in (b"1", b"2"):
            for _ in range(3):
                answer = await outer.ask(request(f"cookie: theme={theme.decode()}"), between)
                assert answer.body == theme
                await settled()
            inner.now += 70
            outer.now += 100

    run(story())


@pytest.mark.parametrize(
    ("fields", "now", "wish"),
    [
        (WHILE, 91, ""), (WHILE, 70, "cache-control: no-cache"), (WHILE, 70, "cache-control: max-age=65"),
        (WHILE, 70, "cache-control: min-fresh=1"),
        (WHILE.replace("max-age", "must-revalidate, max-age"), 70, ""),
        (WHILE.replace("max-age", "proxy-revalidate, max-age"), 70, ""),
        (WHILE.replace("max-age", "no-cache, max-age"), 10, ""),
        (WHILE.replace("=30", "=x"), 61, ""), ('cache-control: max-age=60|etag: "a"', 61, ""),
    ],
)  # fmt: skip
def test_when_a_newer_one_is_waited_for(fields: str, now: float, wish: str) -> None:
    scene = Scene(response(fields, b"old"), response(fields, b"new"))
    scene.get()
    scene.now += now
    assert scene.get(wish).body == b"new"


def test_the_window_beside_s_maxage_and_in_a_targeted_field() -> None:
    for fields in (
        "cache-control: s-maxage=60, stale-while-revalidate=30",
        "cdn-cache-control: max-age=60, stale-while-revalidate=30|cache-control: no-store",
    ):
        scene = Scene(response(fields, b"old"), response(fields, b"new"))
        scene.get()
        scene.now += 70
        assert scene.get().body == b"old"


def test_the_window_of_the_stage_is_for_those_that_say_nothing() -> None:
    rules = Rules(stale_while_revalidate=30)
    for fields, body in (
        ("max-age=60", b"old"),
        ("max-age=60, stale-while-revalidate=5", b"new"),
        ("s-maxage=60", b"new"),
    ):
        scene = Scene(response(f"cache-control: {fields}", b"old"), response("", b"new"), rules=rules)
        scene.get()
        scene.now += 70
        assert scene.get().body == body


ERROR = 'cache-control: max-age=60, stale-if-error=30|etag: "a"'


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_stale_in_place_of_an_answer_that_is_an_error(status: int) -> None:
    scene = Scene(response(ERROR), response("", b"oops", status))
    scene.get()
    scene.now += 70
    answer = scene.get()
    assert (answer.status, answer.body, answer["age"]) == (200, b"body", "70")
    assert answer.outcome == f"fwd=stale; fwd-status={status}"
    scene.now += 30
    assert scene.get().status == status


def test_the_error_s_body_is_not_read() -> None:
    body = arriving(b"oops")
    scene = Scene(response(ERROR), Response(503, response("").fields, body))
    scene.get()
    scene.now += 70
    assert scene.get().body == b"body"
    assert run(body.read()) == b""  # closed


@pytest.mark.parametrize(
    "failure",
    [
        errors.CONNECTION_REFUSED,
        errors.CONNECTION_TIMEOUT,
        errors.HTTP_RESPONSE_TIMEOUT,
        errors.HTTP_RESPONSE_INCOMPLETE,
    ],
)
def test_stale_in_place_of_no_answer(failure: errors.Failure) -> None:
    scene = Scene(response(ERROR), ProxyError(failure, "no"))
    scene.get()
    scene.now += 70
    answer = scene.get()
    assert (answer.body, answer.outcome) == (b"body", f"fwd=stale; detail={failure.type}")
    scene.now += 30  # the response says how long, so the hour that is the default does not count
    with pytest.raises(ProxyError):
        scene.get()


def test_a_request_may_allow_it_too() -> None:
    scene = Scene(response('cache-control: max-age=60|etag: "a"'), response("", b"", 503))
    scene.get()
    scene.now += 70
    assert scene.get().status == 503
    assert scene.get("cache-control: stale-if-error=30").body == b"body"
    assert scene.get("cache-control: stale-if-error=9").status == 503


def test_the_stage_s_window_covers_errors_too() -> None:
    scene = Scene(response("cache-control: max-age=60"), response("", b"", 503), rules=Rules(stale_if_error=30))
    scene.get()
    scene.now += 70
    assert scene.get().body == b"body"
    scene.script = [DOWN]
    scene.now += 30
    with pytest.raises(ProxyError):
        scene.get()


@pytest.mark.parametrize("status", [404, 501, 200])
def test_other_answers_are_answers(status: int) -> None:
    scene = Scene(response(ERROR), response("", b"", status))
    scene.get()
    scene.now += 70
    assert scene.get().body == b""


@pytest.mark.parametrize("directive", ["must-revalidate", "proxy-revalidate", "no-cache"])
def test_where_nothing_may_stand_in(directive: str) -> None:
    scene = Scene(response(ERROR.replace("max-age", f"{directive}, max-age")), response("", b"", 503))
    scene.get()
    scene.now += 70
    assert scene.get("cache-control: stale-if-error=99").status == 503


def test_each_refresh_is_told_with_what_came_of_it() -> None:
    scene = Scene(response(WHILE, b"old"), response(WHILE, b"new"), DOWN)
    told: list[list[str]] = []
    scene.stage = scene.another(refreshed=told.append)

    async def story() -> None:
        await scene.ask(request())
        for body in (b"old", b"new"):
            scene.now += 70
            assert (await scene.ask(request())).body == body
            await settled()

    run(story())
    assert told == [["pages; fwd=stale; stored; ttl=60"], ["pages; fwd=stale; detail=connection_refused"]]
