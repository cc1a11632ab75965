"""The cache stage as transcripts: what is asked, what reaches the stages below, what comes back."""

from __future__ import annotations

import pytest

from proxy import errors
from proxy.cache.policy import Rules
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.eager import start
from proxy.exchange.observation import UNREPEATABLE, observed
from proxy.exchange.story import CacheStory
from proxy.http.fields import Fields
from proxy.stages.cache import Cache
from tests.cache.scene import NOON, Answer, Scene, request, response, run

FRESH = 'cache-control: max-age=60|etag: "a"|content-type: text/plain'


def test_a_miss_then_a_hit() -> None:
    scene = Scene(response(FRESH))
    first = scene.get()
    assert (first.status, first.body, first.cache_status) == (200, b"body", "pages; fwd=uri-miss; stored; ttl=60")
    assert first["age"] is None
    scene.now += 7.9
    second = scene.get()
    assert (second.status, second.body, second.cache_status) == (200, b"body", "pages; hit; ttl=52")
    assert (second["age"], second["content-length"], second["content-type"]) == ("7", "4", "text/plain")
    assert second["date"] == scene.date(-7.9)
    assert len(scene.asked) == 1


def test_a_hit_needs_no_task_and_no_loop() -> None:
    scene = Scene(response(FRESH))
    scene.get()
    answer = start(scene.stage(request(), scene.below))
    assert isinstance(answer, Response)


@pytest.mark.parametrize(("path", "query"), [("/other", None), ("/", ""), ("/", "a=1")])
def test_another_target_is_another_entry(path: str, query: str | None) -> None:
    scene = Scene(response(FRESH))
    scene.get()
    assert scene.get(path=path, query=query).outcome == "fwd=uri-miss; stored"
    assert scene.get().outcome == "hit"


def test_stale_is_validated_and_a_304_updates_what_is_stored() -> None:
    not_modified = response('cache-control: max-age=30|etag: "a"|x-new: 1|content-length: 99', b"", 304)
    scene = Scene(response(FRESH + "|last-modified: Sun, 06 Nov 1994 08:49:37 GMT"), not_modified)
    scene.get()
    scene.now += 61
    answer = scene.get()
    asked = scene.asked[1].fields
    assert asked.lines == [
        (b"if-none-match", b'"a"'),
        (b"if-modified-since", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    ]
    assert (answer.status, answer.body, answer.outcome) == (200, b"body", "fwd=stale; fwd-status=304; stored")
    assert (answer["x-new"], answer["content-type"], answer["content-length"]) == ("1", "text/plain", "4")
    again = scene.get()
    assert (again.outcome, again["age"], again.cache_status) == ("hit", "0", "pages; hit; ttl=30")


def test_stale_is_replaced_by_a_new_response() -> None:
    scene = Scene(response(FRESH), response(FRESH, b"new"))
    scene.get()
    scene.now += 61
    assert scene.get().outcome == "fwd=stale; stored"
    assert scene.get().body == b"new"


def test_stale_without_validator_is_asked_for_anew() -> None:
    scene = Scene(response("cache-control: max-age=60"))
    scene.get()
    scene.now += 61
    assert scene.get().outcome == "fwd=stale; stored"
    assert not scene.asked[1].fields.lines


def test_a_304_about_something_else_is_of_no_use() -> None:
    scene = Scene(response(FRESH), response('etag: "other"', b"", 304), response(FRESH, b"new"))
    scene.get()
    scene.now += 61
    answer = scene.get()
    assert (answer.status, answer.body) == (200, b"new")
    assert not scene.asked[2].fields.lines


def test_a_304_that_forbids_storing_answers_once() -> None:
    scene = Scene(response(FRESH), response("cache-control: no-store", b"", 304))
    scene.get()
    scene.now += 61
    assert scene.get().outcome == "fwd=stale; fwd-status=304; detail=no-store"
    assert scene.get().outcome == "fwd=stale; fwd-status=304; detail=no-store"


DOWN = ProxyError(errors.CONNECTION_REFUSED, "no")


def test_what_is_stored_stands_in_for_an_origin_that_is_down() -> None:
    scene = Scene(response(FRESH), DOWN)
    scene.get()
    scene.now += 61
    answer = scene.get()
    assert (answer.body, answer["age"], answer.outcome) == (b"body", "61", "fwd=stale; detail=connection_refused")
    scene.now += 3600
    with pytest.raises(ProxyError):
        scene.get()


@pytest.mark.parametrize(
    ("directives", "wish", "failure"),
    [
        ("max-age=60, must-revalidate", "", DOWN), ("max-age=60, proxy-revalidate", "", DOWN),
        ("s-maxage=60", "", DOWN), ("no-cache", "", DOWN),
        ("max-age=60", "cache-control: no-cache", DOWN),
        ("max-age=60", "cache-control: max-age=100", DOWN),
        ("max-age=60", "", ProxyError(errors.PROXY_INTERNAL_ERROR, "a filter trapped")),
    ],
)  # fmt: skip
def test_a_failure_below_is_passed_on_where_nothing_may_stand_in(
    directives: str, wish: str, failure: ProxyError
) -> None:
    scene = Scene(response(f'cache-control: {directives}|etag: "a"'), failure)
    scene.get()
    scene.now += 61
    asked = request(wish)
    with pytest.raises(ProxyError):
        run(scene.ask(asked))
    assert asked.exchange.cache_status == ["pages; fwd=stale"]


def test_an_answer_that_says_error_is_passed_on() -> None:
    scene = Scene(response(FRESH), response("", b"oops", 500))
    scene.get()
    scene.now += 61
    assert scene.get().status == 500
    assert scene.get("cache-control: max-stale").body == b"body"


def test_vary_selects() -> None:
    scene = Scene(lambda r: response(FRESH + "|vary: Accept-Language", r.fields.get(b"accept-language") or b"none"))
    assert scene.get("accept-language: de").outcome == "fwd=uri-miss; stored"
    assert scene.get("accept-language: en").outcome == "fwd=vary-miss; stored"
    assert scene.get("accept-language: DE ").body == b"de"
    assert scene.get("accept-language: en").outcome == "hit"
    assert scene.get().outcome == "fwd=vary-miss; stored"
    assert scene.get().body == b"none"


def test_vary_by_bytes_that_are_not_text() -> None:
    scene = Scene(lambda r: response(FRESH + "|vary: x", r.fields.get(b"x") or b""))
    assert scene.get("x: \xff").body == b"\xff"
    assert scene.get("x: \xfe").body == b"\xfe"


def reading(*observations: tuple[str, str], then: str = FRESH) -> Scene:
    """Below, a stage reads these."""

    def below(request: Request) -> Response:
        for observation in observations:
            observed(request, observation)
        return response(then)

    return Scene(below)


def test_what_was_read_below_selects_and_nothing_else() -> None:
    scene = reading(("cookie", "theme"), ("path", ""), ("query-param", "q"), ("authority", ""))
    scene.get("cookie: theme=dark; s=1")
    assert scene.get("cookie: s=2; theme=dark|x-any: 1").outcome == "hit"
    assert scene.get("cookie: theme=light").outcome == "fwd=vary-miss; stored"
    assert scene.get().outcome == "fwd=vary-miss; stored"


def test_a_read_of_everything_shares_nothing() -> None:
    scene = reading(("headers", ""))
    scene.get("a: 1")
    assert scene.get("a: 1").outcome == "hit"
    assert scene.get("a: 1|b: 2").outcome == "fwd=vary-miss; stored"


def test_head_shares_with_get_unless_the_method_was_read() -> None:
    scene = Scene(response(FRESH))
    assert scene.get(method="HEAD").outcome == "fwd=uri-miss; detail=head"
    scene.get()
    head = scene.get(method="HEAD")
    assert (head.outcome, head.body, head["content-length"]) == ("hit", b"", "4")

    scene = reading(("method", ""))
    scene.get()
    assert scene.get(method="HEAD").outcome == "fwd=vary-miss; detail=head"
    assert scene.get().outcome == "hit"


def test_an_entry_of_a_cache_below_is_read_with_all_it_depends_on() -> None:
    """The stages below the inner cache do not run on its hits; the outer one learns of their reads all the same."""
    inner, outer = Scene(), Scene()

    async def innermost(request: Request) -> Response:
        observed(request, ("cookie", "theme"))
        return response(FRESH, (request.fields.get(b"cookie") or b"")[-1:])

    async def between(request: Request) -> Response:
        observed(request, ("header", "x"))
        return await inner.stage(request, innermost)

    def ask(fields: str) -> tuple[bytes, str]:
        answer = run(outer.ask(request(fields), between))
        return answer.body, answer.cache_status

    assert ask("x: 1|cookie: theme=1")[0] == b"1"
    body, status = ask("x: 2|cookie: theme=1")
    assert (body, status) == (b"1", "pages; hit; ttl=60, pages; fwd=vary-miss; stored; ttl=60")
    assert ask("x: 2|cookie: theme=2")[0] == b"2"
    assert ask("x: 2|cookie: theme=2") == (b"2", "pages; hit; ttl=60")


def test_a_validated_entry_keeps_what_it_depended_on() -> None:
    def below(request: Request) -> Response:
        if b"if-none-match" in request.fields:
            return response("", b"", 304)
        observed(request, ("cookie", "theme"))  # of a body, which a 304 has none of
        return response(FRESH, (request.fields.get(b"cookie") or b"")[-1:])

    scene = Scene(below)
    scene.get("cookie: theme=1")
    scene.now += 61
    assert scene.get("cookie: theme=1").outcome == "fwd=stale; fwd-status=304; stored"
    assert scene.get("cookie: theme=2").body == b"2"
    assert scene.get("cookie: theme=1").body == b"1"


def test_an_accident_below_is_not_stored() -> None:
    scene = reading(UNREPEATABLE)
    assert scene.get().outcome == "fwd=uri-miss; detail=unrepeatable"
    assert scene.get().outcome == "fwd=uri-miss; detail=unrepeatable"


def test_reads_without_end_are_not_worth_storing() -> None:
    scene = reading(*(("header", f"x-{i}") for i in range(1000)))
    assert scene.get().outcome == "fwd=uri-miss; detail=reads"
    assert scene.get().outcome == "fwd=uri-miss; detail=reads"


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ("cache-control: no-store", "no-store"), ("cache-control: private, max-age=9", "private"),
        ("cache-control: max-age=9|set-cookie: a=b", "set-cookie"), ("cache-control: max-age=9|vary: *", "vary"),
        ("", "no-freshness"),
    ],
)  # fmt: skip
def test_why_it_is_not_stored(fields: str, detail: str) -> None:
    scene = Scene(response(fields))
    assert scene.get().outcome == f"fwd=uri-miss; detail={detail}"
    assert scene.get().outcome == f"fwd=uri-miss; detail={detail}"


def test_what_is_too_large_is_passed_on() -> None:
    scene = Scene(response(FRESH, bytes(1001)))
    assert scene.get().outcome == "fwd=uri-miss; detail=size"
    assert len(scene.get().body) == 1001


def test_fields_about_the_exchange_are_not_stored() -> None:
    scene = Scene(response(FRESH + "|cache-status: inner; hit|age: 5|proxy-authenticate: x"))
    assert scene.get()["cache-status"] == "inner; hit, pages; fwd=uri-miss; stored; ttl=55"
    answer = scene.get()
    assert (answer.cache_status, answer["age"], answer["proxy-authenticate"]) == ("pages; hit; ttl=55", "5", None)


def test_no_ttl_given_takes_the_stage_s() -> None:
    scene = Scene(response(), rules=Rules(ttl=30))
    scene.get()
    assert scene.get().cache_status == "pages; hit; ttl=30"
    scene.now += 30
    assert scene.get().outcome == "fwd=stale; stored"


def test_a_response_that_always_validates() -> None:
    scene = Scene(response('cache-control: no-cache|etag: "a"'), response("", b"", 304))
    assert scene.get().outcome == "fwd=uri-miss; stored"
    assert scene.get().outcome == "fwd=stale; fwd-status=304; stored"
    assert scene.get().body == b"body"


@pytest.mark.parametrize("wish", ["cache-control: no-cache", "pragma: no-cache", "cache-control: max-age=1"])
def test_a_request_that_wants_a_newer_one(wish: str) -> None:
    scene = Scene(response(FRESH), response(FRESH, b"new"))
    scene.get()
    scene.now += 5
    assert scene.get(wish).outcome == "fwd=request; stored"
    assert scene.get().body == b"new"


def test_a_request_that_must_not_be_stored() -> None:
    scene = Scene(response(FRESH))
    assert scene.get("cache-control: no-store").outcome == "fwd=uri-miss; detail=request-no-store"
    assert scene.get().outcome == "fwd=uri-miss; stored"
    assert scene.get("cache-control: no-store").outcome == "hit"


def test_only_if_cached() -> None:
    scene = Scene(response(FRESH))
    answer = scene.get("cache-control: only-if-cached")
    assert (answer.status, answer.cache_status) == (504, "pages; detail=only-if-cached")
    assert not scene.asked
    scene.get()
    assert scene.get("cache-control: only-if-cached").outcome == "hit"


@pytest.mark.parametrize("condition", ['if-none-match: "x", W/"a"', "if-none-match: *", "if-modified-since: @"])
def test_a_client_s_condition_is_answered_from_the_store(condition: str) -> None:
    scene = Scene(response(FRESH))
    condition = condition.replace("@", scene.date())
    filling = scene.get(condition)
    assert (filling.status, filling.body, filling["etag"]) == (304, b"", '"a"')
    assert filling.outcome == "fwd=uri-miss; fwd-status=200; stored"
    assert not scene.asked[0].fields.lines
    hit = scene.get(condition)
    assert (hit.status, hit.body, hit["content-type"], hit["content-length"]) == (304, b"", None, None)
    assert (hit["etag"], hit["cache-control"], hit["age"], hit.outcome) == ('"a"', "max-age=60", "0", "hit")
    assert scene.get('if-none-match: "b"|' + condition.replace("if-none-match", "x")).status == 200


def test_a_client_s_condition_on_what_is_stale() -> None:
    scene = Scene(response(FRESH), response("", b"", 304))
    scene.get()
    scene.now += 61
    assert scene.get('if-none-match: "a"').status == 304
    assert scene.asked[1].fields.lines == [(b"if-none-match", b'"a"')]
    scene.now += 61
    assert scene.get('if-none-match: "b"').body == b"body"


def test_conditions_go_below_where_nothing_can_be_stored() -> None:
    scene = Scene(response('cache-control: no-store|etag: "a"'))
    scene.get()
    scene.script = [response('etag: "a"', b"", 304)]
    assert scene.get('if-none-match: "a"').status == 304
    assert scene.asked[1].fields.lines == [(b"if-none-match", b'"a"')]


@pytest.mark.parametrize("field", ['if-match: "a"', "if-unmodified-since: Sun, 06 Nov 1994 08:49:37 GMT"])
def test_preconditions_are_the_origin_s(field: str) -> None:
    scene = Scene(response(FRESH))
    scene.get()
    assert scene.get(field).outcome == "fwd=bypass; detail=precondition"


def test_a_range_of_what_is_stored() -> None:
    scene = Scene(response(FRESH))
    scene.get()
    part = scene.get("range: bytes=1-2")
    assert (part.status, part.body, part.outcome) == (206, b"od", "hit")
    assert (part["content-range"], part["content-length"], part["etag"]) == ("bytes 1-2/4", "2", '"a"')
    beyond = scene.get("range: bytes=4-")
    assert (beyond.status, beyond.body, beyond["content-range"]) == (416, b"", "bytes */4")
    assert (beyond["content-length"], beyond["content-type"], beyond["cache-control"]) == ("0", None, "no-store")
    assert scene.get('range: bytes=0-0|if-range: "b"').body == b"body"
    assert scene.get('range: bytes=0-0|if-none-match: "a"').status == 304
    assert scene.get("range: bytes=0-0", method="HEAD").status == 200


def test_a_range_of_an_error_is_the_error() -> None:
    scene = Scene(response(FRESH, b"not here", 404))
    scene.get()
    assert scene.get("range: bytes=0-1").body == b"not here"


def test_a_request_with_a_body_is_not_answered_from_the_store() -> None:
    scene = Scene(response(FRESH))
    scene.get()
    asked = request()
    asked.body = b"x"
    assert run(scene.ask(asked)).outcome == "fwd=bypass; detail=request-body"
    assert scene.get().outcome == "hit"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "UNHEARD-OF"])
def test_unsafe_methods_invalidate(method: str) -> None:
    scene = Scene(response(FRESH))
    scene.get()
    assert scene.get(method=method).outcome == "fwd=method"
    assert scene.get().outcome == "fwd=uri-miss; stored"


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 200), ("TRACE", 200), ("POST", 404), ("POST", 500)])
def test_safe_methods_and_failures_do_not(method: str, status: int) -> None:
    scene = Scene(response(FRESH))
    scene.get()
    scene.script = [response("", b"", status)]
    scene.get(method=method)
    assert scene.get().outcome == "hit"


@pytest.mark.parametrize(
    ("location", "gone"),
    [
        ("/list?a=1", True), ("list?a=1", True), ("http://A.example/list?a=1#x", True), ("//a.example/list?a=1", True),
        ("https://a.example/list?a=1", False), ("http://b.example/list?a=1", False), ("http://[", False),
        ("\xff", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["location", "content-location"])
def test_what_an_unsafe_method_names_is_invalidated_too(field: str, location: str, gone: bool) -> None:
    scene = Scene(response(FRESH))
    scene.get(path="/list", query="a=1")
    scene.script = [response(f"{field}: {location}", b"", 201)]
    scene.get(method="POST", path="/new")
    scene.script = [response(FRESH)]
    assert (scene.get(path="/list", query="a=1").outcome == "hit") is not gone


def test_what_was_asked_for_before_an_invalidation_is_not_stored() -> None:
    scene = Scene(response("", b"", 204))

    async def slow(request: Request) -> Response:
        await scene.ask(request_of("POST"))
        return response(FRESH, b"before")

    def request_of(method: str) -> Request:
        return request(method=method)

    assert run(scene.ask(request(), slow)).body == b"before"
    scene.script = [response(FRESH, b"after")]
    assert scene.get().body == b"after"


def test_the_member_is_in_the_log_and_quoted_where_it_must_be() -> None:
    scene = Scene(response(FRESH))
    scene.stage = Cache('a "b"', scene.store, max_object_size=1000, clock=lambda: scene.now)
    asked = request()
    run(scene.ask(asked))
    assert asked.exchange.cache_status == ['"a \\"b\\""; fwd=uri-miss; stored; ttl=60']


def test_the_exchange_s_response_is_not_the_stored_one() -> None:
    scene = Scene(response(FRESH))
    first = run(scene.stage(request(), scene.below))
    first.fields.set(b"x", b"changed above")
    second = run(scene.stage(request(), scene.below))
    second.fields.set(b"x", b"changed above")
    assert scene.get()["x"] is None


def test_caches_with_one_store_use_each_other_s_entries_only_above_the_same_stages() -> None:
    scene = Scene(response(FRESH))

    def stage(place: str) -> Cache:
        return Cache("pages", scene.store, max_object_size=1000, clock=lambda: scene.now, place=place)

    def ask(stage: Cache, method: str = "GET") -> str:
        return Answer(run(stage(request(method=method), scene.below)), b"").outcome

    one, same, other = stage("one"), stage("one"), stage("other")
    assert ask(one) == "fwd=uri-miss; stored"
    assert ask(same) == "hit"
    assert ask(other) == "fwd=uri-miss; stored"
    assert ask(other) == ask(one) == "hit"
    ask(other, "DELETE")
    assert ask(one) == ask(other) == "fwd=uri-miss; stored"


def test_a_trace_tells_the_story() -> None:
    scene = reading(("cookie", "theme"))
    for outcome in ("pages; fwd=uri-miss; stored; ttl=60", "pages; hit; ttl=60"):
        exchange = Exchange()
        exchange.trace = []
        run(scene.ask(Request("GET", "http", "a.example", "/", None, Fields(), exchange)))
        (story,) = exchange.trace
        assert isinstance(story, CacheStory)
        assert (story.outcome, story.selecting) == (outcome, [(("cookie", "theme"), None)])


def test_time_that_runs_backwards_breaks_nothing() -> None:
    scene = Scene(response(FRESH))
    scene.get()
    scene.now = NOON - 100
    answer: Answer = scene.get()
    assert answer.outcome == "hit"
    assert answer["age"] == "0"
