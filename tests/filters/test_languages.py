"""One behaviour, filters/locale/README.md, in every language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import ProxyError
from proxy.sandbox import Engine, Limits
from tests.filters.placed import Placed

LOCALE = Path(__file__).parents[2] / "filters/locale"
LANGUAGES = sorted(json.loads((LOCALE / "built/manifest.json").read_text()))
LIMITS = Limits(time=20.0)
"""Memory as it is by default; wide in time, as a busy machine is no failure."""

CONFIG = {"languages": ["en", "de", "fr"]}
HTML = [("content-type", "text/html; charset=utf-8")]
FRENCH = [("accept-language", "fr")]


@pytest.fixture(scope="module", params=LANGUAGES)
def component(request: pytest.FixtureRequest) -> bytes:
    return (LOCALE / f"built/{request.param}.wasm").read_bytes()


def place(engine: Engine, component: bytes, config: Mapping[str, Any], **options: Any) -> Placed:
    return Placed(engine, "locale", component, config, limits=LIMITS, **options)


@pytest.fixture(scope="module")
def locale(engine: Engine, component: bytes) -> Placed:
    return place(engine, component, CONFIG)


def chosen(locale: Placed, target: str = "/", *headers: tuple[str, str]) -> str:
    passed = locale(target, headers).passed
    assert passed is not None
    return dict(passed.fields.lines)[b"x-language"].decode()


def test_the_query_parameter_decides_and_nothing_else_is_read(locale: Placed) -> None:
    outcome = locale("/shop?a=1&lang=FR", [("cookie", "lang=de"), ("accept-language", "en")])
    assert outcome.passed is not None
    assert outcome.passed.fields.lines == [(b"cookie", b"lang=de"), (b"x-language", b"fr")]
    assert outcome.passed.notes == {"language": "fr"}
    assert outcome.passed.target == "/shop?a=1&lang=FR"
    assert outcome.reads == [("query-param", "lang")]


def test_then_the_cookie(locale: Placed) -> None:
    outcome = locale("/", [("cookie", "a=b; lang=de"), ("accept-language", "fr")])
    assert outcome.header("content-language") == "de"
    assert outcome.reads == [("query-param", "lang"), ("cookie", "lang")]
    assert chosen(locale, "/", ("cookie", "lang=nl"), ("accept-language", "fr")) == "fr"


@pytest.mark.parametrize(
    ("ranges", "language"),
    [
        ("de", "de"),
        ("nl, FR-ca;q=0.8, de", "fr"),
        ("nl,,\tde ;q=0.1", "de"),
        ("*, nl", "en"),
        ("defr", "en"),
        ("", "en"),
        ("ü, fr", "fr"),
    ],
)
def test_then_accept_language(locale: Placed, ranges: str, language: str) -> None:
    assert chosen(locale, "/", ("accept-language", ranges)) == language


def test_then_the_default(locale: Placed) -> None:
    outcome = locale("/")
    assert outcome.header("content-language") == "en"
    assert outcome.reads == [("query-param", "lang"), ("cookie", "lang"), ("header", "accept-language")]


@pytest.mark.parametrize(
    ("asked", "said"), [("nl", "nl"), ("", ""), ("%C3%BC%F0%9F%99%82", "ü🙂"), ("e", "e"), ("eng", "eng")]
)
def test_its_own_answer(locale: Placed, asked: str, said: str) -> None:
    outcome = locale(f"/shop?lang={asked}", FRENCH)
    assert outcome.passed is None
    body = f"There is no {said} here, only en, de, fr.\n".encode()
    length = ("content-length", str(len(body)))
    assert (outcome.status, outcome.headers) == (404, [("content-type", "text/plain; charset=utf-8"), length])
    assert outcome.body == body


def test_the_response(locale: Placed) -> None:
    answer = [("vary", "origin"), ("content-language", "en"), ("content-type", "image/png")]
    by_header = locale("/", FRENCH, answer=answer, body=b"{{language}}")
    assert by_header.headers == [
        ("vary", "origin"), ("content-language", "fr"), ("content-type", "image/png"),
        ("vary", "accept-language, cookie"),
    ]  # fmt: skip
    assert by_header.body == b"{{language}}"
    by_query = locale("/?lang=de", answer=answer)
    assert by_query.headers[-2:] == [
        ("vary", "accept-language, cookie"),
        ("set-cookie", "lang=de; Path=/; SameSite=Lax"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [("content-type", "text/plain")],
        [("content-type", "text/html-ish")],
        [*HTML, ("content-encoding", "br")],
    ],
)
def test_other_bodies_are_left_alone(locale: Placed, answer: list[tuple[str, str]]) -> None:
    outcome = locale("/", FRENCH, answer=[*answer, ("etag", '"1"')], body=[b"{{language}}"])
    assert (outcome.body, outcome.header("etag")) == (b"{{language}}", '"1"')


def test_a_page(locale: Placed) -> None:
    answer = [("content-type", "Text/HTML ;a=b"), ("etag", '"1"')]
    outcome = locale("/", FRENCH, answer=answer, body=b"<html lang={{language}}>{{language}}{{languag")
    assert outcome.body == b"<html lang=fr>fr{{languag"
    assert outcome.header("etag") is None


@pytest.mark.parametrize("cut", range(1, 25, 2))
def test_a_placeholder_split_over_two_chunks(locale: Placed, cut: int) -> None:
    page = b"a{{{language}}{{langu{{language}}\xff\x00"
    assert locale("/", FRENCH, answer=HTML, body=[page[:cut], page[cut:]]).body == b"a{fr{{langufr\xff\x00"


def test_a_large_page(locale: Placed) -> None:
    page = b"{" * 100_000 + b"{{language}}" * 1_000 + bytes(range(256)) * 400
    assert locale("/", FRENCH, answer=HTML, body=[page]).body == page.replace(b"{{language}}", b"fr")


pieces = st.sampled_from([b"{", b"{{", b"lang", b"uage", b"}", b"{{language}}", b"{{language", b" ", b"\xff\x00"])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.lists(pieces, max_size=5).map(b"".join), max_size=8))
def test_any_page_in_any_chunks(locale: Placed, chunks: list[bytes]) -> None:
    outcome = locale.once("/", FRENCH, answer=HTML, body=chunks)
    assert outcome.body == b"".join(chunks).replace(b"{{language}}", b"fr")


def test_its_runs_are_remembered(engine: Engine, component: bytes) -> None:
    """What a language's runtime does by itself does not make a run impure."""
    locale = place(engine, component, CONFIG)
    for _ in range(3):
        locale.once("/", FRENCH)
    assert (locale.tally.runs, locale.tally.memo_hits) == (3, 6)


def test_an_instance_used_again_starts_anew(engine: Engine, component: bytes) -> None:
    locale = place(engine, component, CONFIG, pooled=True)
    assert locale("/", FRENCH, answer=HTML, body=[b"<p>{{lang"]).body == b"<p>{{lang"
    assert locale("/?lang=de", answer=HTML, body=[b"uage}}{{language}}"]).body == b"uage}}de"


def test_many_languages_and_long_values(engine: Engine, component: bytes) -> None:
    names = [f"x{number}" for number in range(300)]
    locale = place(engine, component, {"languages": names})
    assert chosen(locale, "/", ("accept-language", ", ".join(["nl"] * 3_000) + ", X299-a")) == "x299"


def test_without_languages(engine: Engine, component: bytes, guest_log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProxyError):
        place(engine, component, {}).once("/")
    assert "config: want languages, a list of tags" in guest_log.text
