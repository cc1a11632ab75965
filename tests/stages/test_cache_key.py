"""Which requests are alike: key options, exceptions, and No-Vary-Search."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.cache.entry import Variants
from proxy.cache.key import Keying
from proxy.cache.lookup import Exceptions
from proxy.cache.policy import Rules
from proxy.exchange import Request, Response
from proxy.exchange.observation import observed
from proxy.http.query import Names, QueryRule
from tests.cache.scene import Answer, Scene, request, response, run

FRESH = "cache-control: max-age=60"


def scene(*script: Any, **choices: Any) -> Scene:
    made = Scene(*script or (mirror,))
    made.stage = made.another(**choices)
    return made


def mirror(asked: Request) -> Response:
    """Says what it was asked."""
    return response(FRESH, asked.target.encode())


IGNORING = Keying(query=QueryRule(ignore=Names.of(["utm_*"])))


def test_what_is_ignored_is_not_passed_below_either() -> None:
    """Else it could be reflected in the response, for everybody."""
    site = scene(keying=IGNORING)
    first = site.get(path="/x", query="utm_source=<script>&q=1")
    assert (first.body, first.outcome) == (b"/x?q=1", "fwd=uri-miss; stored")
    assert site.get(path="/x", query="q=1&utm_medium=y").outcome == "hit"
    assert site.get(path="/x", query="q=1").outcome == "hit"
    assert site.get(path="/x", query="q=2").outcome == "fwd=uri-miss; stored"
    assert site.get(path="/y", query="utm_x=1").body == b"/y"


def test_sorted() -> None:
    site = scene(keying=Keying(query=QueryRule(sort=True)))
    assert site.get(query="b=1&a=2").body == b"/?a=2&b=1"
    assert site.get(query="a=2&b=1").outcome == "hit"
    assert site.get(query="b=1&a=3").outcome == "fwd=uri-miss; stored"


def test_unsafe_methods_go_as_they_are_and_invalidate_what_is_alike() -> None:
    site = scene(keying=IGNORING)
    site.get(query="q=1&utm_a=1")
    assert site.get(method="POST", query="utm_b=2&q=1").body == b"/?utm_b=2&q=1"
    assert site.get(query="q=1").outcome == "fwd=uri-miss; stored"


@pytest.mark.parametrize(("query", "body"), [("q=1", b"posted"), ("q=1&utm_b=2", b"/?q=1")])
def test_what_post_brings_is_for_get_only_if_it_could_not_depend_on_what_is_ignored(query: str, body: bytes) -> None:
    site = scene(response(f"{FRESH}|content-location: /?{query}", b"posted"), mirror, keying=IGNORING)
    site.get(method="POST", query=query)
    assert site.get(query="q=1").body == body


def test_languages() -> None:
    def below(asked: Request) -> Response:
        return response(FRESH + "|vary: accept-language", asked.fields.get(b"accept-language") or b"-")

    site = scene(below, keying=Keying(languages=("en", "de")))
    assert site.get("accept-language: de-CH, fr;q=0.9, en;q=0.1").body == b"de"
    assert site.get("accept-language: fr, de;q=0.5").cache_status == "pages; hit; ttl=60"
    assert site.get("accept-language: de, en").body == b"en"
    assert site.get("accept-language: fr").body == b"-"
    assert site.get().outcome == "hit"


def test_fields_that_responses_depend_on_without_saying_so() -> None:
    site = scene(
        lambda asked: response(FRESH, asked.fields.get(b"x-device") or b"-"),
        keying=Keying(vary=frozenset(("x-device",))),
    )
    assert [site.get(fields).body for fields in ("x-device: a", "x-device: b", "", "x-device: a")] == [
        b"a",
        b"b",
        b"-",
        b"a",
    ]
    assert len(site.asked) == 3


def test_exceptions_are_neither_answered_nor_stored() -> None:
    site = scene(exceptions=Exceptions(("preview",), ("x-debug",)))
    for fields in ("cookie: a=1; preview=yes", "x-debug:", "cookie: preview="):
        assert site.get(fields, path="/x").outcome == "fwd=bypass; detail=exception"
    assert site.get("cookie: previews=1|x-debugs: 1", path="/x").outcome == "fwd=uri-miss; stored"
    assert site.get("x-debug: 1", path="/x").outcome == "fwd=bypass; detail=exception"
    assert site.get(path="/x").outcome == "hit"
    site.get("x-debug: 1", method="DELETE", path="/x")
    assert site.get(path="/x").outcome == "fwd=uri-miss; stored"


def test_what_is_posted_by_an_exception_is_not_stored() -> None:
    site = scene(response(FRESH + "|content-location: /", b"posted"), exceptions=Exceptions(headers=("x-debug",)))
    site.get("x-debug: 1", method="POST")
    assert site.get().outcome == "fwd=uri-miss; stored"


def test_a_cache_above_tells_exceptions_apart() -> None:
    inner = scene(exceptions=Exceptions(cookies=("preview",)))
    outer = Scene()

    async def below(asked: Request) -> Response:
        return response(FRESH, asked.fields.get(b"cookie") or b"all")

    async def between(asked: Request) -> Response:
        return await inner.stage(asked, below)

    def ask(fields: str) -> bytes:
        return run(outer.ask(request(fields), between)).body

    assert [ask("cookie: preview=1"), ask(""), ask("cookie: preview=2"), ask("cookie: x=1")] == [
        b"cookie: preview=1".removeprefix(b"cookie: "), b"all", b"preview=2", b"all",
    ]  # fmt: skip


UNSEARCHED = FRESH + '|no-vary-search: params=("utm" "s")'


def searching(fields: str = UNSEARCHED) -> Scene:
    return Scene(lambda asked: response(fields, asked.target.encode()))


def test_a_response_may_say_what_of_the_query_does_not_matter() -> None:
    site = searching()
    assert site.get(path="/x", query="q=1&utm=1").body == b"/x?q=1&utm=1"
    for query in ("q=1&utm=2", "utm=3&q=1&s", "q=1"):
        again = site.get(path="/x", query=query)
        assert (again.body, again.outcome) == (b"/x?q=1&utm=1", "hit")
    assert site.get(path="/x", query="q=2&utm=1").outcome == "fwd=uri-miss; stored"
    assert site.get(path="/y", query="q=1&utm=2").outcome == "fwd=uri-miss; stored"


def test_what_another_response_says_is_not_for_one_that_does_not() -> None:
    site = Scene(response(UNSEARCHED, b"says"), response(FRESH, b"does not"), response(FRESH, b"other"))
    site.get(query="q=1&utm=1")
    site.get(query="q=2")
    assert site.get(query="q=2&utm=1").body == b"other"


@pytest.mark.parametrize("query", ["q=1&utm=1", "q=1", "q=1&utm=9"])
def test_invalidation_reaches_what_is_alike(query: str) -> None:
    site = searching()
    site.get(query="q=1&utm=1")
    site.get(method="POST", query=query)
    assert site.get(query="q=1&utm=2").outcome == "fwd=uri-miss; stored"


def test_what_was_deleted_while_it_came_is_not_stored() -> None:
    site = searching()

    async def below(asked: Request) -> Response:
        await site.ask(request(method="DELETE", query="q=1&utm=1"))
        return await site.below(asked)

    answer = run(site.ask(request(query="q=1&utm=1"), below))
    assert answer.outcome == "fwd=uri-miss; detail=invalidated"
    assert site.get(query="q=1").outcome == "fwd=uri-miss; stored"


def test_filters_below_that_read_the_query_are_heard() -> None:
    def below(asked: Request) -> Response:
        observed(asked, ("query-param", "utm"))
        return response(UNSEARCHED, asked.target.encode())

    site = Scene(below)
    site.get(query="q=1&utm=1")
    assert site.get(query="utm=1&q=1").outcome == "hit"
    assert site.get(query="q=1&utm=2").body == b"/?q=1&utm=2"


def test_a_stale_one_is_validated_for_another_query() -> None:
    site = Scene(response(UNSEARCHED + '|etag: "a"'), response(UNSEARCHED + '|etag: "a"', b"", 304))
    site.get(query="utm=1")
    site.now += 61
    assert site.get(query="utm=2").outcome == "fwd=stale; fwd-status=304; stored"
    assert site.get(query="utm=3").outcome == "hit"


def _each(site: Scene, queries: list[str]) -> list[Answer]:
    return [site.get(query=query) for query in queries]


def test_all_of_the_query_but_some_and_its_order() -> None:
    site = searching(FRESH + '|no-vary-search: params, except=("q" "p"), key-order')
    answers = _each(site, ["q=1&p=2&x=3", "p=2&y=1&q=1", "q=1", "z&q=1"])
    assert [answer.outcome for answer in answers] == ["fwd=uri-miss; stored", "hit", "fwd=uri-miss; stored", "hit"]


def test_surrogate_control_counts_where_it_is_in_the_target_list() -> None:
    said = response("surrogate-control: max-age=60;sluicegate|cache-control: no-store")
    rules = Rules(target_list=(b"cdn-cache-control", b"surrogate-control"))
    site = scene(said, rules=rules)
    assert site.get().cache_status == "pages; fwd=uri-miss; stored; ttl=60"
    assert site.asked[0].fields.lines == [(b"surrogate-capability", b'sluicegate="Surrogate/1.0"')]
    assert Scene(said).get().outcome == "fwd=uri-miss; detail=no-store"


def test_variants_without_end_are_bounded() -> None:
    """A field that clients choose freely fills no more than its own key, and the newest are those that stay."""
    scene = Scene(response("cache-control: max-age=60|vary: x", b""))
    for i in range(500):
        scene.now += 0.01
        scene.get(f"x: {i}")
    assert scene.variants == Variants.LIMIT
    assert scene.get("x: 499").outcome == "hit"
    assert scene.get("x: 0").outcome == "fwd=vary-miss; stored"
