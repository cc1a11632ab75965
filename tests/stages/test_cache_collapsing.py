"""What arrives for one request is taken with them by those who wait for it: each at its own pace, and each only what
is right for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy import errors
from proxy.cache.memory import MemoryStore
from proxy.cache.store import Front
from proxy.errors import ProxyError
from proxy.exchange import Pipe, Request, Response, Stream, collect
from proxy.exchange.observation import UNREPEATABLE, observed, value_of
from proxy.http.fields import Fields
from tests.cache.scene import Answer, Scene, arriving, lines, request, response, run

FRESH = "cache-control: max-age=60"


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def _stream(response: Response) -> Stream:
    assert not isinstance(response.body, bytes)
    return response.body


def _streamed(pipe: Stream, fields: str = FRESH) -> Callable[[Request], Response]:
    return lambda _: Response(200, Fields(lines(fields)), pipe)


async def _joined(scene: Scene, count: int, fields: str = "") -> list[Response]:
    """A leader, and those who come after it."""
    return [await scene.stage(request(fields), scene.below) for _ in range(count)]


async def _rest(response: Response) -> bytes:
    return await collect(response.body, 1 << 30)


def test_followers_stream_as_bytes_arrive() -> None:
    async def scenario() -> None:
        pipe = arriving(b"one,", length=8)
        scene = Scene(_streamed(pipe, FRESH + "|content-length: 8"))
        leader, *followers = await _joined(scene, 3)
        assert await _stream(leader).read() == b"one,"
        assert [await _stream(each).read() for each in followers] == [b"one,", b"one,"]
        late = await scene.stage(request(), scene.below)
        assert await _stream(late).read() == b"one,"
        assert late.fields.get(b"cache-status") == b"pages; fwd=uri-miss; collapsed; ttl=60"
        assert (late.fields.get(b"content-length"), late.fields.get(b"age")) == (b"8", b"0")
        pipe.feed(b"two.")
        pipe.end(Fields([(b"x-sum", b"1")]))
        assert [await _rest(each) for each in (late, *followers, leader)] == [b"two."] * 4
        assert _stream(late).trailers == Fields([(b"x-sum", b"1")])
        assert len(scene.asked) == 1
        assert (await scene.ask(request())).outcome == "hit"

    run(scenario())


def test_who_waits_for_the_head_is_released_by_it() -> None:
    async def scenario() -> None:
        head, pipe = asyncio.Event(), arriving(b"half")

        async def below(_: Request) -> Response:
            await head.wait()
            return _streamed(pipe)(_)

        scene = Scene()
        waiting = [asyncio.create_task(scene.stage(request(), below)) for _ in range(100)]
        await _settle()
        head.set()
        bodies = [_stream(each) for each in await asyncio.gather(*waiting)]
        assert [await body.read() for body in bodies] == [b"half"] * 100
        pipe.end()
        assert [await body.read() for body in bodies] == [b""] * 100

    run(scenario())


def test_a_slow_leader_does_not_slow_the_others() -> None:
    async def scenario() -> None:
        pipe = arriving(b"one")
        scene = Scene(_streamed(pipe))
        leader, follower = await _joined(scene, 2)
        assert await _stream(follower).read() == b"one"
        pipe.feed(b"two")
        pipe.end()
        assert await _rest(follower) == b"two"
        assert (await scene.ask(request())).outcome == "hit"
        assert await _rest(leader) == b"onetwo"

    run(scenario())


def test_a_slow_follower_slows_nobody() -> None:
    async def scenario() -> None:
        pipe = Pipe()
        scene = Scene(_streamed(pipe), limit=100_000)
        leader, slow, fast = await _joined(scene, 3)
        for n in range(50):
            pipe.feed(b"%05d" % n)
            assert await _stream(leader).read() == await _stream(fast).read() == b"%05d" % n
        pipe.end()
        assert await _rest(leader) == await _rest(fast) == b""
        assert scene.variants == 1
        assert await _rest(slow) == b"".join(b"%05d" % n for n in range(50))

    run(scenario())


def test_the_leader_leaving_while_others_read_does_not_end_it() -> None:
    async def scenario() -> None:
        closed: list[bool] = []
        pipe = Pipe(on_close=lambda: closed.append(True))
        pipe.feed(b"one")
        scene = Scene(_streamed(pipe))
        leader, follower = await _joined(scene, 2)
        _stream(leader).close()
        pipe.feed(b"two")
        assert await _stream(follower).read() == b"onetwo"
        _stream(follower).close()
        _stream(follower).close()
        assert closed == [True]
        assert (scene.store.size, scene.variants) == (0, 0)

    run(scenario())


def test_the_leader_leaving_before_the_head_does_not_end_it() -> None:
    async def scenario() -> None:
        head, asked = asyncio.Event(), []

        async def below(each: Request) -> Response:
            asked.append(each)
            await head.wait()
            return response(FRESH)

        scene = Scene()
        leader, *followers = [asyncio.create_task(scene.ask(request(), below)) for _ in range(3)]
        await _settle()
        leader.cancel()
        await _settle()
        head.set()
        assert [answer.body for answer in await asyncio.gather(*followers)] == [b"body", b"body"]
        assert len(asked) == 1

    run(scenario())


def test_the_leader_leaving_before_the_head_of_a_long_body() -> None:
    async def scenario() -> None:
        head, pipe = asyncio.Event(), arriving(b"one")

        async def below(each: Request) -> Response:
            await head.wait()
            return _streamed(pipe)(each)

        scene = Scene()
        leader, follower = [asyncio.create_task(scene.stage(request(), below)) for _ in range(2)]
        await _settle()
        leader.cancel()
        head.set()
        body = _stream(await follower)
        assert await body.read() == b"one"
        pipe.end()
        assert await body.read() == b""
        assert (await scene.ask(request())).outcome == "hit"

    run(scenario())


def test_when_all_have_left_before_the_head_the_fetch_ends() -> None:
    async def scenario() -> None:
        ended: list[bool] = []

        async def below(each: Request) -> Response:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                ended.append(True)
            raise AssertionError

        scene = Scene()
        crowd = [asyncio.create_task(scene.ask(request(), below)) for _ in range(3)]
        await _settle()
        crowd[0].cancel()
        await _settle()
        assert not ended
        crowd[1].cancel()
        crowd[2].cancel()
        await _settle()
        assert ended == [True]

    run(scenario())


class Reading:
    """A body whose filter reads `cookie` before it makes the second chunk, and answers by it."""

    length = None
    trailers = None

    def __init__(self, request: Request, accident: bool = False) -> None:
        self._request, self._count, self._accident = request, 0, accident

    async def read(self) -> bytes:
        self._count += 1
        if self._count == 2:
            observed(self._request, UNREPEATABLE if self._accident else ("cookie", "c"))
            return str(value_of(self._request, ("cookie", "c"))).encode()
        return {1: b"same,", 3: b""}[self._count]

    def close(self) -> None:
        pass


def test_what_is_read_while_the_body_arrives_parts_those_who_differ() -> None:
    async def scenario() -> None:
        scene = Scene(lambda r: Response(200, Fields(lines(FRESH)), Reading(r)))
        fields = ("cookie: c=1", "cookie: c=2", "cookie: c=1; d=1")
        answers = [await scene.stage(request(each), scene.below) for each in fields]
        assert len(scene.asked) == 1
        assert [await _stream(each).read() for each in answers] == [b"same,"] * 3
        assert [await _rest(each) for each in answers] == [b"1", b"2", b"1"]
        assert len(scene.asked) == 2
        assert [(await scene.ask(request(each))).outcome for each in fields[::2]] == ["hit", "hit"]

    run(scenario())


def test_who_has_read_furthest_may_be_the_one_who_differs() -> None:
    async def scenario() -> None:
        scene = Scene(lambda r: Response(200, Fields(lines(FRESH)), Reading(r)))
        first, second = [await scene.stage(request(f"cookie: c={n}"), scene.below) for n in (1, 2)]
        assert await _rest(second) == b"same,2"
        assert await _rest(first) == b"same,1"

    run(scenario())


def test_an_accident_while_the_body_arrives_is_the_leader_s_alone() -> None:
    async def scenario() -> None:
        accidents = [True, False, False]
        scene = Scene(lambda r: Response(200, Fields(lines(FRESH)), Reading(r, accidents.pop(0))))
        first, second = [await scene.stage(request("cookie: c=1"), scene.below) for _ in range(2)]
        assert await _rest(first) == await _rest(second) == b"same,1"
        assert len(scene.asked) == 2

    run(scenario())


def test_a_response_that_changes_while_it_is_shared_breaks_off() -> None:
    async def scenario(again: Response) -> None:
        scene = Scene(lambda r: Response(200, Fields(lines(FRESH + '|etag: "a"')), Reading(r)), again)
        first, second = [await scene.stage(request(f"cookie: c={n}"), scene.below) for n in (1, 2)]
        assert await _stream(second).read() == b"same,"
        with pytest.raises(ProxyError, match="changed"):
            await _stream(second).read()
        _stream(second).close()
        assert await _rest(first) == b"same,1"

    for fields, body, status in (
        ('|etag: "a"', b"sane,2", 200), ('|etag: "b"', b"same,2", 200), ('|etag: "a"', b"sam", 200),
        ('|etag: "a"', b"same,2", 203),
    ):  # fmt: skip
        run(scenario(response(FRESH + fields, body, status)))


def test_a_body_that_grows_too_long_goes_on_for_each_alone() -> None:
    async def scenario() -> None:
        parts = [b"a" * 600, b"b" * 600, b"c" * 600]
        scene = Scene(*(_streamed(pipe) for pipe in (Pipe(), arriving(*parts), arriving(*parts))))
        scene.script[0] = _streamed(pipe := arriving(parts[0]))
        leader, behind, ahead = await _joined(scene, 3)
        assert await _stream(ahead).read() == parts[0]
        pipe.feed(parts[1])
        again = asyncio.create_task(_stream(ahead).read())
        await _settle()
        assert await _stream(leader).read() == parts[0]
        assert await _stream(leader).read() == parts[1]
        pipe.feed(parts[2])
        assert await _stream(leader).read() == parts[2]
        assert await again == parts[1] + parts[2]
        assert await _stream(behind).read() == parts[0]
        assert await _stream(behind).read() == parts[1] + parts[2]
        assert scene.store.size == 0
        assert len(scene.asked) == 3
        for each in (leader, behind, ahead):
            _stream(each).close()

    run(scenario())


def test_a_body_that_outgrows_its_leader_goes_on_for_each_alone() -> None:
    async def scenario() -> None:
        pipe = arriving(b"one")
        scene = Scene(_streamed(pipe), _streamed(arriving(b"one" + b"x" * 1200)))
        leader, follower = await _joined(scene, 2)
        _stream(leader).close()
        assert await _stream(follower).read() == b"one"
        pipe.feed(b"x" * 1200)
        assert await _stream(follower).read() == b"x" * 1200
        assert len(scene.asked) == 2
        _stream(follower).close()

    run(scenario())


def test_a_body_that_breaks_breaks_for_all_after_what_came() -> None:
    async def scenario() -> None:
        pipe = arriving(b"half")
        pipe.fail(ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, "gone"))
        scene = Scene(_streamed(pipe))
        for each in await _joined(scene, 3):
            assert await _stream(each).read() == b"half"
            with pytest.raises(ProxyError, match="gone"):
                await _stream(each).read()
            _stream(each).close()
        assert scene.store.size == 0

    run(scenario())


def test_variants_part_at_the_head() -> None:
    async def scenario() -> None:
        scene = Scene(lambda r: Response(200, Fields(lines(FRESH + "|vary: x")), arriving(r.fields.get(b"x") or b"")))
        firsts = [await scene.stage(request(f"x: {n}"), scene.below) for n in (1, 2, 1, 2, 1)]
        assert len(scene.asked) == 2
        assert [await _stream(each).read() for each in firsts] == [b"1", b"2", b"1", b"2", b"1"]

    run(scenario())


def test_followers_get_what_they_ask_for() -> None:
    async def scenario() -> None:
        scene = Scene(_streamed(pipe := arriving(b"body"), FRESH + '|etag: "a"'))
        leader = await scene.stage(request('if-none-match: "a"'), scene.below)
        unchanged = await scene.stage(request('if-none-match: "a"'), scene.below)
        changed = await scene.stage(request('if-none-match: "b"'), scene.below)
        assert (leader.status, unchanged.status, changed.status) == (304, 304, 200)
        assert (unchanged.body, unchanged.fields.get(b"etag")) == (b"", b'"a"')
        pipe.end()
        assert await _rest(changed) == b"body"
        assert len(scene.asked) == 1

    run(scenario())


def test_what_was_deleted_meanwhile_is_not_joined() -> None:
    async def scenario() -> None:
        scene = Scene(_streamed(arriving(b"old")), _streamed(arriving(b"new")))
        (old,) = await _joined(scene, 1)
        scene.store.delete(("http", "a.example", "/", None))
        (new,) = await _joined(scene, 1)
        assert (await _stream(old).read(), await _stream(new).read()) == (b"old", b"new")

    run(scenario())


def test_what_must_be_validated_is_not_shared() -> None:
    async def scenario() -> None:
        scene = Scene(*(_streamed(arriving(b"%d" % n), 'cache-control: no-cache|etag: "a"') for n in range(3)))
        assert [await _stream(each).read() for each in await _joined(scene, 3)] == [b"0", b"1", b"2"]

    run(scenario())


def test_a_cache_above_is_told_what_was_read_below() -> None:
    async def scenario() -> None:
        scene, outer = Scene(lambda r: Response(200, Fields(lines(FRESH)), Reading(r))), Scene()
        asked = [outer.stage(request(f"cookie: c={n}", path=path), _inner(scene)) for path in "ab" for n in (1, 1)]
        bodies = [await _rest(await each) for each in asked]
        assert bodies == [b"same,1"] * 4
        assert (await outer.ask(request("cookie: c=2", path="b"), _inner(scene))).body == b"same,2"

    def _inner(scene: Scene) -> Callable[[Request], asyncio.Future[Response]]:
        async def below(each: Request) -> Response:
            down = each.copy()
            down.path = "/"
            return await scene.stage(down, scene.below)

        return lambda each: asyncio.ensure_future(below(each))

    run(scenario())


@settings(max_examples=150, deadline=None)
@example(6813)
@given(st.integers(0, 2**32))
def test_however_they_come_read_and_leave_each_gets_its_own(seed: int) -> None:
    each_gets_its_own(seed, MemoryStore(1_000_000))


def each_gets_its_own(seed: int, store: Front) -> None:
    random = Random(seed)

    class Body:
        """Chunks that depend on the cookies read so far; reads one now and then."""

        length = None
        trailers = None

        def __init__(self, request: Request) -> None:
            self._request, self._at, self._seen = request, 0, ""

        async def read(self) -> bytes:
            await asyncio.sleep(0)
            self._at += 1
            if self._at in late:
                observed(self._request, late[self._at])
                self._seen += str(value_of(self._request, late[self._at]))
            return f"{self._at}{self._seen},".encode() * 20 if self._at < 12 else b""

        def close(self) -> None:
            pass

    late = {random.randrange(1, 13): ("cookie", random.choice("ab")) for _ in range(random.randrange(3))}
    scene = Scene(
        lambda r: Response(200, Fields(lines(FRESH)), Body(r)), limit=random.choice((400, 10_000)), store=store
    )

    async def client(delay: int, fields: str, leaves: int) -> None:
        await _idle(delay)
        answer = await scene.stage(request(fields), scene.below)
        body, got = answer.body, []
        if isinstance(body, bytes):
            got.append(body)
        else:
            while (chunk := await body.read()) and len(got) < leaves:
                got.append(chunk)
                await _idle(delays.randrange(3))
            body.close()
        whole = await collect(Body(request(fields)), 1 << 20)
        assert whole.startswith(b"".join(got))
        assert leaves < 99 or whole == b"".join(got)

    async def _idle(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)

    delays = Random(seed)

    async def scenario() -> None:
        cookies = [f"cookie: a={random.choice('12')}; b={random.choice('12')}" for _ in range(8)]
        await asyncio.gather(*(client(random.randrange(30), each, random.choice((3, 99))) for each in cookies))
        await _settle()
        held = store.get(("http", "a.example", "/", None))
        assert store.size == (held.size if held is not None else 0)

    run(scenario())


def test_a_crowd_on_one_slow_fetch_asks_once() -> None:
    async def scenario() -> None:
        pipe, scene = Pipe(), Scene(limit=1 << 20)
        scene.script = [_streamed(pipe)]
        crowd = [asyncio.create_task(scene.ask(request())) for _ in range(1000)]
        for _ in range(10):
            await _settle()
            pipe.feed(bytes(10_000))
        pipe.end()
        answers: list[Answer] = await asyncio.gather(*crowd)
        assert {len(answer.body) for answer in answers} == {100_000}
        assert len(scene.asked) == 1

    run(scenario())
