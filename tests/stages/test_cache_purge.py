"""Purges and caches: nothing that was asked for before one is answered with, or stored, after it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cache.disk import DiskStore
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Rules
from proxy.cache.purge import Purge
from proxy.cache.store import Front
from proxy.cache.tiered import TieredStore
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.server.purge import carry_out
from proxy.stages.cache import Cache
from tests.cache.scene import NOON, Scene, arriving, request, response, run

FRESH = 'cache-control: max-age=60|etag: "a"'
TAGGED = FRESH + "|surrogate-key: news front  |cache-tag: shop, two words"


def purge(scene: Scene, *urls: str, tags: tuple[str, ...] = (), soft: bool = False, all: bool = False) -> None:
    async def purged() -> None:
        await carry_out(Purge(tuple(urls), tags, soft=soft, all=all), [scene.stage])

    run(purged())


@pytest.mark.parametrize("tag", ["news", "front", "shop", "two words"])
def test_tags_are_those_of_both_fields(tag: str) -> None:
    scene = Scene(response(TAGGED))
    scene.get()
    purge(scene, tags=("two", "news front", "other"))
    assert scene.get().outcome == "hit"
    purge(scene, tags=(tag,))
    assert scene.get().outcome == "fwd=uri-miss; stored"


def test_tags_go_no_further_unless_they_are_to() -> None:
    for strip in (True, False):
        scene = Scene(response(TAGGED), rules=Rules(strip_tags=strip))
        for answer in (scene.get(), scene.get(), scene.get(method="POST")):
            assert (answer["surrogate-key"] is None, answer["cache-tag"] is None) == (strip, strip)
            assert answer.tags == ("news", "front", "shop", "two words")


def test_a_304_may_bring_tags_and_takes_none_away() -> None:
    scene = Scene(response(TAGGED), response(FRESH + "|surrogate-key: more", status=304, body=b""))
    for tag in ("news", "more"):
        scene.get()
        scene.now += 61
        assert scene.get().outcome == "fwd=stale; fwd-status=304; stored"
        purge(scene, tags=(tag,))
        scene.script.insert(0, response(TAGGED))
        assert scene.get().outcome == "fwd=uri-miss; stored"


def test_a_response_with_tags_without_end_is_not_stored() -> None:
    scene = Scene(response(FRESH + "|cache-tag: " + ",".join(map(str, range(1001)))))
    assert scene.get().status == 200
    assert scene.get().outcome == "fwd=uri-miss; detail=tags"


def test_a_soft_purge_has_it_validated() -> None:
    scene = Scene(response(FRESH), response(FRESH, b"", 304))
    scene.get()
    scene.now += 10
    purge(scene, "http://a.example/", soft=True)
    assert scene.get().outcome == "fwd=stale; fwd-status=304; stored"
    assert scene.get().outcome == "hit"


def test_after_a_soft_purge_it_may_be_used_as_stale_responses_are() -> None:
    async def scenario() -> None:
        scene = Scene(response(FRESH + "|cache-control: stale-while-revalidate=30"), response(FRESH, b"new"))
        await scene.ask(request())
        scene.now += 10
        await carry_out(Purge(all=True, soft=True), [scene.stage])
        scene.now += 10
        assert (await scene.ask(request())).cache_status == "pages; hit; ttl=-10"
        await asyncio.sleep(0)
        assert (await scene.ask(request())).body == b"new"

    run(scenario())


def test_what_is_arriving_is_not_stored_and_not_joined() -> None:
    async def scenario(purge: Purge) -> None:
        old, new = arriving(b"old"), arriving(b"new")
        bodies = [old, new]
        scene = Scene(lambda _: Response(200, response(TAGGED).fields, bodies.pop(0)))
        leader = asyncio.create_task(scene.ask(request()))
        follower = asyncio.create_task(scene.ask(request()))
        await asyncio.sleep(0.01)
        await carry_out(purge, [scene.stage])
        later = asyncio.create_task(scene.ask(request()))
        await asyncio.sleep(0.01)
        for each in (old, new):
            each.end()
        assert [(await each).body for each in (leader, follower, later)] == [b"old", b"old", b"new"]
        assert (await scene.ask(request())).body == b"new"

    for each in (
        Purge(("http://a.example/",)), Purge(tags=("shop",)), Purge(prefixes=("http://a.example/",)), Purge(all=True),
        Purge(all=True, soft=True), Purge(tags=("shop",), soft=True), Purge(("http://a.example/",), soft=True),
    ):  # fmt: skip
        run(scenario(each))


def test_who_waits_before_the_head_is_there_waits_for_nothing_purged() -> None:
    async def scenario() -> None:
        answers: list[asyncio.Future[Response]] = [asyncio.Future(), asyncio.Future()]
        waiting = iter(answers)
        scene = Scene()

        async def below(_: Request) -> Response:
            return await next(waiting)

        first = asyncio.create_task(scene.ask(request(), below))
        await asyncio.sleep(0)
        await carry_out(Purge(tags=("news",)), [scene.stage])
        second = asyncio.create_task(scene.ask(request(), below))
        await asyncio.sleep(0)
        answers[0].set_result(response(TAGGED, b"old"))
        answers[1].set_result(response(TAGGED, b"new"))
        assert [(await each).body for each in (first, second)] == [b"old", b"new"]
        assert (await scene.ask(request(), below)).body == b"new"

    run(scenario())


def test_what_is_about_to_be_refreshed_does_not_come_back() -> None:
    async def scenario() -> None:
        scene = Scene(response(FRESH + "|cache-control: stale-while-revalidate=30"), response(FRESH, b"", 304))
        await scene.ask(request())
        scene.now += 61
        assert (await scene.ask(request())).outcome == "hit"
        scene.stage.purge(Purge(all=True))  # before the refresh has begun
        for _ in range(5):
            await asyncio.sleep(0)
        assert len(scene.asked) == 2
        scene.script = [response(FRESH, b"new")]
        assert (await scene.ask(request())).body == b"new"

    run(scenario())


def test_another_tag_disturbs_nothing() -> None:
    async def scenario() -> None:
        pipe = arriving(b"body")
        scene = Scene(lambda _: Response(200, response(TAGGED).fields, pipe))
        leader = asyncio.create_task(scene.ask(request()))
        await asyncio.sleep(0)
        await carry_out(Purge(tags=("other",)), [scene.stage])
        follower = asyncio.create_task(scene.ask(request()))
        await asyncio.sleep(0)
        pipe.end()
        assert (await leader).body == (await follower).body == b"body"
        assert len(scene.asked) == 1
        assert (await scene.ask(request())).outcome == "hit"

    run(scenario())


def test_a_sweep_frees_what_was_purged_while_others_have_their_turn() -> None:
    async def scenario() -> None:
        scene = Scene(response(TAGGED), store=MemoryStore(1 << 26))
        for i in range(3000):
            await scene.ask(request(path=f"/{i}"))
        size = scene.store.size
        await carry_out(Purge(tags=("news",)), [scene.stage])
        turns = 0
        while scene.store.unswept:
            await asyncio.sleep(0)
            turns += 1
            if turns == 5:
                assert (await scene.ask(request(path="/2999"))).outcome == "fwd=uri-miss; stored"
        assert turns > 10
        assert scene.store.count == 1
        assert scene.store.size < size / 1000

    run(scenario())


# A model: whatever happens in whatever order.

PATHS = ("/a", "/a/b", "/c")
LANGUAGES = ("de", "en")


def tags_of(path: str, language: str) -> tuple[str, ...]:
    return ("site", path.replace("/", "-"), language)


paths, languages = st.sampled_from(PATHS), st.sampled_from(LANGUAGES)
purges = st.one_of(
    st.builds(lambda path: Purge((f"http://a.example{path}",)), paths),
    st.builds(lambda path, language: Purge(tags=tags_of(path, language)[1:2]), paths, languages),
    st.builds(lambda path, language: Purge(tags=tags_of(path, language)[2:]), paths, languages),
    st.builds(lambda: Purge(tags=("site",))),
    st.builds(lambda path: Purge(prefixes=(f"http://a.example{path}",)), paths),
    st.builds(lambda: Purge(all=True)),
)
steps = st.one_of(
    st.tuples(st.just("ask"), st.integers(0, 1), paths, languages),
    st.tuples(st.just("begin"), st.integers(0, 1), paths, languages),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("purge"), purges, st.booleans()),
    st.tuples(st.just("restart"), st.integers(0, 1)),
    st.tuples(st.just("sweep")),
)


class Model:
    """Caches in several processes, an origin that says when it was asked, and what was purged when."""

    def __init__(self, opening: list[Callable[[], Front]]) -> None:
        self.opening = opening
        self.now = 0
        self.purged: dict[tuple[str, str], int] = {}
        self.under_way: list[tuple[int, str, asyncio.Task[None], asyncio.Future[None]]] = []
        self.kept: set[tuple[int, str, str]] = set()
        """What must be there: by cache, path and language."""
        self.stores = [each() for each in opening]
        self.stages = [self._stage(store) for store in self.stores]

    def _stage(self, store: Front) -> Cache:
        return Cache("pages", store, max_object_size=1000, clock=lambda: NOON + self.now)

    def tick(self) -> int:
        self.now += 1
        return self.now

    async def ask(self, cache: int, path: str, language: str, arrived: asyncio.Future[None] | None) -> None:
        before = self.purged.get((path, language), 0)
        must_be_there = (cache, path, language) in self.kept

        async def below(request: Request) -> Response:
            assert not must_be_there, "what was not purged is there"
            at = self.tick()
            if arrived is not None:
                await arrived
            tags = ",".join(tags_of(path, language)).encode()
            fields = [(b"cache-control", b"max-age=9999"), (b"vary", b"accept-language"), (b"cache-tag", tags)]
            return Response(200, Fields(fields), b"%d" % at)

        response = await self.stages[cache](request(f"accept-language: {language}", path=path), below)
        assert isinstance(response.body, bytes)
        assert int(response.body) > before, "what was asked for before a purge answers a request after it"
        if self.purged.get((path, language), 0) == before:
            self.kept.add((cache, path, language))

    def begin(self, cache: int, path: str, language: str) -> None:
        arrived: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self.ask(cache, path, language, arrived))
        self.under_way.append((cache, path, task, arrived))

    async def end(self, index: int) -> None:
        if index < len(self.under_way):
            _, _, task, arrived = self.under_way.pop(index)
            arrived.set_result(None)
            await asyncio.wait([task], timeout=0.01)  # it may wait for another
            if task.done():
                task.result()
            else:
                self.under_way.append((-1, "", task, asyncio.get_running_loop().create_future()))

    async def purge(self, purge: Purge, soft: bool) -> None:
        purge = Purge(purge.urls, purge.tags, purge.prefixes, purge.all, soft)
        at = self.tick()  # what is asked for while it is carried out may be old or new
        for path in PATHS:
            for language in LANGUAGES:
                url = f"http://a.example{path}"
                if (
                    purge.all
                    or url in purge.urls
                    or any(url.startswith(prefix) for prefix in purge.prefixes)
                    or set(purge.tags) & set(tags_of(path, language))
                ):
                    self.purged[path, language] = at
                    self.kept -= {(cache, path, language) for cache in range(len(self.stages))}
        for stage in self.stages:
            await carry_out(purge, [stage])

    def restart(self, cache: int) -> None:
        """Without a disk it begins empty."""
        store = self.stores[cache]
        if isinstance(store, TieredStore):
            store.close()
        else:
            self.kept = {kept for kept in self.kept if kept[0] != cache}
        self.stores[cache] = self.opening[cache]()
        self.stages[cache] = self._stage(self.stores[cache])

    async def run(self, steps: list[tuple[Any, ...]]) -> None:
        count = len(self.stages)
        for name, *arguments in steps:
            match name, arguments:
                case "ask", [cache, path, language]:
                    if (cache % count, path) in [each[:2] for each in self.under_way]:
                        self.begin(cache % count, path, language)
                        await asyncio.sleep(0)
                    else:
                        await self.ask(cache % count, path, language, None)
                case "begin", [cache, path, language]:
                    self.begin(cache % count, path, language)
                    await asyncio.sleep(0)
                case "end", [index]:
                    await self.end(index)
                case "purge", [purge, soft]:
                    await self.purge(purge, soft)
                case "restart", [cache]:
                    if not self.under_way:
                        self.restart(cache % count)
                case "sweep", []:
                    for store in self.stores:
                        for _ in store.sweep():
                            pass
        while self.under_way:
            await self.end(0)
        for store in self.stores:
            if isinstance(store, TieredStore):
                store.close()


@settings(deadline=None, max_examples=150)
@given(steps=st.lists(steps, max_size=25))
def test_purges_in_memory_in_any_order_with_anything(steps: list[tuple[Any, ...]]) -> None:
    async def scenario() -> None:
        await Model([lambda: MemoryStore(1_000_000)] * 2).run(steps)

    run(scenario())


@settings(deadline=None, max_examples=30)
@given(steps=st.lists(steps, max_size=25))
def test_purges_of_processes_that_share_a_disk_in_any_order_with_anything(steps: list[tuple[Any, ...]]) -> None:
    async def scenario() -> None:
        with tempfile.TemporaryDirectory() as directory:
            opening = lambda: TieredStore(MemoryStore(1_000_000), DiskStore(Path(directory), 1 << 24))  # noqa: E731
            await Model([opening, opening]).run(steps)

    run(scenario())
