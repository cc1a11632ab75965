"""What answers to POST and HEAD do for what is stored (RFC 9110 §9.3.3, RFC 9111 §4.3.5)."""

from __future__ import annotations

import pytest

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.observation import observed
from tests.cache.scene import Scene, request, response, run

FRESH = 'cache-control: max-age=60|etag: "a"|content-type: text/plain'
POSTED = "cache-control: max-age=60|content-location: /"


@pytest.mark.parametrize("location", ["/", "http://a.example/", "http://A.EXAMPLE/", ""])
def test_an_answer_to_post_that_is_what_get_would_get(location: str) -> None:
    scene = Scene(response(f"cache-control: max-age=60|content-location: {location}", b"posted"))
    assert scene.get(method="POST").outcome == "fwd=method; stored"
    answer = scene.get()
    assert (answer.body, answer.outcome) == (b"posted", "hit")
    assert scene.get(method="HEAD").outcome == "hit"
    assert scene.get(method="POST").outcome == "fwd=method; stored"
    assert len(scene.asked) == 2


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("cache-control: max-age=60", 200), ("content-location: /", 200), (POSTED.replace("/", "/x", 1), 200),
        ("cache-control: max-age=60|content-location: http://b.example/", 200),
        ("last-modified: Sun, 06 Nov 1994 08:49:37 GMT|content-location: /", 200),
        (POSTED.replace("max-age", "private, max-age"), 200), (POSTED + "|vary: *", 200), (POSTED, 304),
        (POSTED, 404), (POSTED + "|content-range: bytes 0-5/6", 206),
    ],
)  # fmt: skip
def test_answers_to_post_that_are_not(fields: str, status: int) -> None:
    scene = Scene(response(fields, b"posted", status), response(FRESH))
    scene.get(method="POST")
    assert scene.get().body == b"body"


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "UNHEARD-OF"])
def test_no_other_method_s_answer_is(method: str) -> None:
    scene = Scene(response(POSTED), response(FRESH, b"got"))
    scene.get(method=method)
    assert scene.get().body == b"got"


def test_post_takes_what_was_stored_away_first() -> None:
    scene = Scene(response(FRESH), response(POSTED, b"posted"))
    scene.get()
    scene.get(method="POST")
    assert scene.get().body == b"posted"


def test_a_failed_post_takes_nothing_away() -> None:
    scene = Scene(response(FRESH), response("", b"", 500), ProxyError(errors.CONNECTION_REFUSED, "no"))
    scene.get()
    scene.get(method="POST")
    asked = request(method="POST")
    with pytest.raises(ProxyError):
        run(scene.ask(asked))
    assert asked.exchange.cache_status == ["pages; fwd=method"]
    assert scene.get().outcome == "hit"


def test_post_goes_below_with_its_body_and_conditions() -> None:
    scene = Scene(response(POSTED))
    asked = request('if-none-match: "a"', method="POST")
    asked.body = b"form"
    run(scene.ask(asked))
    assert (scene.asked[0].body, scene.asked[0].fields.lines) == (b"form", [(b"if-none-match", b'"a"')])


def test_what_depends_on_the_method_is_not_for_get() -> None:
    def below(asked: Request) -> Response:
        observed(asked, ("method", ""))
        return response(POSTED, asked.method.encode())

    scene = Scene(below)
    scene.get(method="POST")
    assert scene.get().body == b"GET"


def test_an_answer_to_head_makes_what_is_stored_fresh_again() -> None:
    scene = Scene(response(FRESH + "|x-a: 1|x-b: 1"), response('cache-control: max-age=30|etag: "a"|x-a: 2', b""))
    scene.get()
    scene.now += 61
    head = scene.get(method="HEAD")
    assert (head.body, head["x-a"], head.outcome) == (b"", "2", "fwd=stale; stored")
    assert scene.asked[1].method == "HEAD"
    answer = scene.get()
    assert (answer.body, answer["x-a"], answer["x-b"], answer["content-length"]) == (b"body", "2", "1", "4")
    assert answer.cache_status == "pages; hit; ttl=30"


@pytest.mark.parametrize(
    "fields",
    [
        "cache-control: max-age=60|content-length: 5", 'cache-control: max-age=60|etag: "b"',
        "cache-control: max-age=60|last-modified: Sun, 06 Nov 1994 08:49:37 GMT",
    ],
)  # fmt: skip
def test_an_answer_to_head_about_another_representation_makes_it_stale(fields: str) -> None:
    scene = Scene(response(FRESH), response(fields, b""), response(FRESH, b"new"))
    scene.get()
    assert scene.get("cache-control: no-cache", method="HEAD").outcome == "fwd=request; detail=outdated"
    assert scene.get().body == b"new"


def test_an_answer_to_head_that_forbids_storing_leaves_it() -> None:
    scene = Scene(response(FRESH), response('cache-control: no-store|etag: "a"', b""), response(FRESH, b"new"))
    scene.get()
    scene.now += 61
    assert scene.get(method="HEAD").outcome == "fwd=stale; detail=no-store"
    assert scene.get().body == b"new"


@pytest.mark.parametrize("status", [304, 404, 500])
def test_other_answers_to_head_change_nothing(status: int) -> None:
    scene = Scene(response(FRESH), response("cache-control: max-age=60", b"", status), response("", b"", 304))
    scene.get()
    scene.now += 61
    assert scene.get(method="HEAD").status == status
    assert scene.get().outcome == "fwd=stale; fwd-status=304; stored"


def test_head_that_reads_the_method_does_not_touch_what_get_got() -> None:
    def below(asked: Request) -> Response:
        if asked.method == "HEAD":
            observed(asked, ("method", ""))
        return response(FRESH, b"" if asked.method == "HEAD" else b"body")

    scene = Scene(below)
    scene.get()
    scene.now += 61
    scene.get(method="HEAD")
    assert scene.get().outcome == "fwd=stale; stored"
