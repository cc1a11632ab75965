"""Ranges of what is stored whole, stored parts, and parts that are joined (RFC 9110 §14, RFC 9111 §3.3, §3.4)."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.observation import observed
from tests.cache.scene import Answer, Scene, arriving, request, response, run

WHOLE = b"0123456789"
FRESH = 'cache-control: max-age=60|etag: "a"|content-type: text/plain'


def origin(asked: Request, fields: str = FRESH) -> Response:
    """Answers single ranges, as If-Range and If-None-Match allow."""
    etag = response(fields).fields.get(b"etag")
    if etag is not None and asked.fields.get(b"if-none-match") == etag:
        return response(fields, b"", 304)
    wanted = asked.fields.get(b"range")
    if wanted is None or asked.fields.get(b"if-range") not in (None, etag):
        return response(fields, WHOLE)
    first, last = wanted.removeprefix(b"bytes=").split(b"-")
    begin = int(first) if first else max(0, 10 - int(last))
    end = min(int(last) + 1, 10) if first and last else 10
    return response(f"{fields}|content-range: bytes {begin}-{end - 1}/10", WHOLE[begin:end], 206)


def ranged(scene: Scene, wanted: str, fields: str = "") -> Answer:
    return scene.get(f"range: bytes={wanted}|{fields}")


def test_several_ranges_of_what_is_whole() -> None:
    scene = Scene(origin)
    scene.get()
    answer = ranged(scene, "0-1, -2")
    content_type = answer["content-type"] or ""
    kind, _, boundary = content_type.partition("; boundary=")
    assert (answer.status, kind, answer["content-range"], answer.outcome) == (206, "multipart/byteranges", None, "hit")
    assert answer.body.decode().split("\r\n") == [
        f"--{boundary}", "content-type: text/plain", "content-range: bytes 0-1/10", "", "01",
        f"--{boundary}", "content-type: text/plain", "content-range: bytes 8-9/10", "", "89",
        f"--{boundary}--", "",
    ]  # fmt: skip
    assert answer["content-length"] == str(len(answer.body))
    assert ranged(scene, "0-9, 0-9").body == WHOLE
    assert ranged(scene, "20-, 0-0")["content-range"] == "bytes 0-0/10"
    assert ranged(scene, "20-, 30-").status == 416
    assert ranged(scene, "0-0, 2-2", 'if-none-match: "a"').status == 304


def test_a_part_is_stored_and_answers_for_what_is_within() -> None:
    scene = Scene(origin)
    first = ranged(scene, "2-6")
    assert (first.status, first.body, first.outcome) == (206, b"23456", "fwd=uri-miss; stored")
    assert scene.asked[0].fields.lines == [(b"range", b"bytes=2-6")]
    scene.now += 5
    for wanted, body in (("2-6", b"23456"), ("3-4", b"34"), ("2-2", b"2")):
        part = ranged(scene, wanted)
        assert (part.status, part.body, part["age"], part.outcome) == (206, body, "5", "hit")
        assert (part["content-range"], part["content-length"]) == (f"bytes {wanted}/10", str(len(body)))
    assert ranged(scene, "3-3, 5-5").outcome == "hit"
    assert ranged(scene, "3-3", 'if-none-match: "a"').status == 304
    assert len(scene.asked) == 1


@pytest.mark.parametrize("fields", ["range: bytes=1-3", "range: bytes=5-", "range: bytes=-3", "range: bytes=0-", ""])
def test_what_is_not_within_is_asked_for(fields: str) -> None:
    scene = Scene(origin)
    ranged(scene, "2-6")
    answer = scene.get(fields)
    assert answer.outcome.startswith("fwd=partial")
    assert answer.body in WHOLE


def test_a_part_never_answers_for_the_whole() -> None:
    scene = Scene(origin, ProxyError(errors.CONNECTION_REFUSED, "no"))
    ranged(scene, "0-4")
    with pytest.raises(ProxyError):
        scene.get()
    with pytest.raises(ProxyError):
        scene.get("cache-control: max-stale", method="HEAD")


def test_the_end_of_what_is_whole_is_found_from_a_part() -> None:
    scene = Scene(origin)
    ranged(scene, "-4")
    assert [ranged(scene, wanted).body for wanted in ("-1", "-4", "6-", "8-", "8-99")] == [
        b"9", b"6789", b"6789", b"89", b"89",
    ]  # fmt: skip
    assert len(scene.asked) == 1


def test_parts_that_touch_are_joined_and_make_the_whole() -> None:
    scene = Scene(origin)
    ranged(scene, "0-4")
    assert ranged(scene, "4-7").outcome == "fwd=partial; stored"
    joined = ranged(scene, "0-7")
    assert (joined.body, joined["content-range"], joined.outcome) == (b"01234567", "bytes 0-7/10", "hit")
    ranged(scene, "8-")
    whole = scene.get()
    assert (whole.status, whole.body, whole["content-range"], whole.outcome) == (200, WHOLE, None, "hit")
    assert whole["content-length"] == "10"


def test_parts_apart_are_not_joined() -> None:
    scene = Scene(origin)
    ranged(scene, "0-1")
    ranged(scene, "5-6")
    assert ranged(scene, "5-6").outcome == "hit"
    assert ranged(scene, "0-1").outcome == "fwd=partial; stored"


@pytest.mark.parametrize("fields", ["cache-control: max-age=60", 'cache-control: max-age=60|etag: W/"a"'])
def test_without_a_strong_validator_nothing_is_joined(fields: str) -> None:
    scene = Scene(lambda asked: origin(asked, fields))
    ranged(scene, "0-4")
    ranged(scene, "5-")
    answer = scene.get()
    assert (answer.body, answer.outcome) == (WHOLE, "fwd=partial; stored")
    assert not scene.asked[-1].fields.lines


def test_parts_of_different_representations_are_not_joined() -> None:
    scene = Scene(origin)
    ranged(scene, "0-4")
    scene.script = [lambda asked: origin(asked, FRESH.replace('"a"', '"b"'))]
    ranged(scene, "5-")
    assert ranged(scene, "5-").outcome == "hit"
    assert ranged(scene, "0-4").outcome == "fwd=partial; stored"


@pytest.mark.parametrize(("held", "rest"), [("0-4", b"bytes=5-"), ("-5", b"bytes=0-4")])
def test_a_part_is_completed(held: str, rest: bytes) -> None:
    scene = Scene(origin)
    ranged(scene, held)
    answer = scene.get()
    assert (answer.status, answer.body, answer["content-range"]) == (200, WHOLE, None)
    assert answer.outcome == "fwd=partial; fwd-status=206; stored"
    assert scene.asked[1].fields.lines == [(b"range", rest), (b"if-range", b'"a"')]
    assert scene.get().outcome == "hit"


def test_what_has_changed_is_not_completed() -> None:
    scene = Scene(origin)
    ranged(scene, "0-4")
    scene.script = [lambda asked: origin(asked, FRESH.replace('"a"', '"b"'))]
    answer = scene.get()
    assert (answer.status, answer["etag"], answer.outcome) == (200, '"b"', "fwd=partial; stored")
    assert len(scene.asked) == 2


@pytest.mark.parametrize(
    "fields", ['etag: "b"', "", 'etag: "a"|content-range: bytes 6-9/10', 'etag: "a"|content-range: x']
)
@pytest.mark.parametrize("status", [206, 416])
def test_a_rest_that_does_not_fit_is_of_no_use(fields: str, status: int) -> None:
    wrong = response(f"cache-control: max-age=60|content-range: bytes 5-9/10|{fields}", b"56789", status)
    if "content-range" in fields:
        wrong.fields.lines = [line for line in wrong.fields.lines if line != (b"content-range", b"bytes 5-9/10")]
    scene = Scene(origin, wrong, response(FRESH, WHOLE))
    ranged(scene, "0-4")
    answer = scene.get()
    assert (answer.status, answer.body) == (200, WHOLE)
    assert not scene.asked[2].fields.lines


def test_a_rest_that_breaks_off_is_an_error() -> None:
    body = arriving(b"56")
    body.fail(ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, "broke"))
    fields = response(FRESH + "|content-range: bytes 5-9/10").fields
    scene = Scene(origin, Response(206, fields, body))
    ranged(scene, "0-4")
    with pytest.raises(ProxyError):
        scene.get()


def test_a_stale_part_is_validated() -> None:
    scene = Scene(origin)
    ranged(scene, "0-4")
    scene.now += 61
    answer = ranged(scene, "1-2")
    assert (answer.status, answer.body, answer.outcome) == (206, b"12", "fwd=stale; fwd-status=304; stored")
    assert ranged(scene, "0-4").outcome == "hit"


def test_a_part_does_not_take_the_place_of_the_whole() -> None:
    scene = Scene(origin)
    scene.get()
    assert ranged(scene, "0-0", "cache-control: no-cache").outcome == "fwd=request; fwd-status=304; stored"
    scene.script = [lambda asked: origin(asked, FRESH.replace('"a"', '"b"'))]
    assert ranged(scene, "0-0", "cache-control: no-cache").outcome == "fwd=request; detail=partial"
    assert scene.get().outcome == "hit"


def test_a_part_that_arrives_over_time() -> None:
    async def story() -> None:
        body = arriving(b"2", b"34")
        fields = response(FRESH + "|content-range: bytes 2-4/10").fields
        scene = Scene(Response(206, fields, body))
        asked = asyncio.ensure_future(scene.ask(request("range: bytes=2-4")))
        await asyncio.sleep(0)
        body.end()
        assert (await asked).body == b"234"
        assert (await scene.ask(request("range: bytes=3-3"))).body == b"3"

    run(story())


@pytest.mark.parametrize("fields", ["", "content-range: bytes */10", "content-type: multipart/byteranges; boundary=x"])
def test_a_206_that_does_not_say_what_it_has_is_not_stored(fields: str) -> None:
    scene = Scene(response(f"cache-control: max-age=60|{fields}", b"01", 206))
    assert ranged(scene, "0-1").outcome == "fwd=uri-miss; detail=partial"


def test_that_a_range_cannot_be_had_is_no_answer_for_the_whole() -> None:
    scene = Scene(response("cache-control: max-age=60|content-range: bytes */10", b"", 416), origin)
    assert ranged(scene, "20-").outcome == "fwd=uri-miss; detail=status"
    assert scene.get().body == WHOLE


def test_what_is_not_there_is_not_there_in_parts_either() -> None:
    scene = Scene(response("cache-control: max-age=60", b"gone", 404))
    ranged(scene, "0-1")
    assert (scene.get().status, ranged(scene, "0-1").body, len(scene.asked)) == (404, b"gone", 1)


@pytest.mark.parametrize("wanted", ["0-0,2-2", "x", "4-2"])
def test_other_ranges_of_what_is_not_stored_go_below_as_they_are(wanted: str) -> None:
    scene = Scene(response(FRESH, WHOLE))
    assert ranged(scene, wanted).outcome == "fwd=uri-miss; detail=range"


def test_a_whole_that_comes_for_a_range_is_stored_whole() -> None:
    scene = Scene(response(FRESH, WHOLE))
    assert ranged(scene, "0-1").body == WHOLE
    assert ranged(scene, "0-1").body == b"01"


def test_an_origin_that_miscounts_is_passed_on_and_never_joined() -> None:
    """Five bytes that are said to be six."""
    scene = Scene(response(FRESH + "|content-range: bytes 4-9/10", b"01234", 206))
    assert ranged(scene, "-5").body == ranged(scene, "-5").body == b"01234"
    assert ranged(scene, "6-8").body == b"234"
    assert len(scene.asked) == 1
    scene.script = [origin]
    assert scene.get().body == WHOLE
    assert not scene.asked[-1].fields.lines


def test_parts_depend_on_what_was_read() -> None:
    def below(asked: Request) -> Response:
        observed(asked, ("cookie", "theme"))
        return origin(asked)

    scene = Scene(below)
    ranged(scene, "0-4", "cookie: theme=1")
    ranged(scene, "5-", "cookie: theme=1")
    assert scene.get("cookie: theme=2").outcome == "fwd=vary-miss; stored"
    assert scene.get("cookie: theme=1").outcome == "hit"


def test_digests_are_of_the_bytes_they_come_with() -> None:
    """RFC 9530: Content-Digest is of the message, Repr-Digest of the whole."""
    digests = FRESH + "|content-digest: sha-256=:AA==:|repr-digest: sha-256=:BB==:"
    scene = Scene(lambda asked: origin(asked, digests))
    scene.get()
    assert scene.get()["content-digest"] == ranged(scene, "0-")["content-digest"] == "sha-256=:AA==:"
    for wanted in ("0-1", "0-1,3-3"):
        part = ranged(scene, wanted)
        assert (part.status, part["content-digest"], part["repr-digest"]) == (206, None, "sha-256=:BB==:")
    parts = Scene(lambda asked: origin(asked, digests))
    assert ranged(parts, "0-4")["content-digest"] == ranged(parts, "0-4")["content-digest"] == "sha-256=:AA==:"
    assert ranged(parts, "0-1")["content-digest"] is None
    ranged(parts, "5-")
    assert (parts.get().outcome, parts.get()["content-digest"]) == ("hit", None)


bounds = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(sorted).map(lambda each: f"{each[0]}-{each[1]}")
wanted = st.one_of(
    st.just(""), bounds, st.integers(0, 9).map(lambda n: f"{n}-"), st.integers(1, 12).map(lambda n: f"-{n}")
)


@given(st.lists(st.tuples(wanted, st.sampled_from([0, 0, 61]), st.sampled_from(['"a"', '"b"', 'W/"c"'])), max_size=12))
def test_whatever_is_asked_in_whatever_order_the_bytes_are_right(steps: list[tuple[str, int, str]]) -> None:
    """The content changes with the validator: a digit of one never comes with the validator of another."""
    content = {'"a"': WHOLE, '"b"': b"abcdefghij", 'W/"c"': b"ABCDEFGHIJ"}
    scene = Scene(origin)
    for range_, pause, etag in steps:
        scene.now += pause

        def below(asked: Request, etag: str = etag) -> Response:
            answer = origin(asked, FRESH.replace('"a"', etag))
            answer.body = answer.body if isinstance(answer.body, bytes) else b""
            return Response(
                answer.status, answer.fields, bytes(content[etag][WHOLE.index(b)] for b in _each(answer.body))
            )

        scene.script = [below]
        answer = ranged(scene, range_) if range_ else scene.get()
        whole = content[answer["etag"] or ""]
        if answer.status == 200:
            assert answer.body == whole
        else:
            assert answer.status == 206
            begin, _, end = (answer["content-range"] or "").removeprefix("bytes ").removesuffix("/10").partition("-")
            assert answer.body == whole[int(begin) : int(end) + 1]


def _each(body: bytes) -> list[bytes]:
    return [body[i : i + 1] for i in range(len(body))]
