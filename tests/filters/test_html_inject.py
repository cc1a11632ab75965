from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.errors import ProxyError
from tests.filters.conftest import Place
from tests.filters.placed import Placed

SNIPPET = "<script>é</script>"
HTML = [("content-type", "text/html; charset=utf-8")]


@pytest.fixture
def inject(place: Place) -> Placed:
    return place("html-inject", {"snippet": SNIPPET})


def expected(page: bytes) -> bytes:
    """What it is to do, said another way."""
    return re.sub(rb"(?i)(?=</head>)", SNIPPET.encode(), page, count=1)


def test_before_the_end_of_the_head(inject: Placed) -> None:
    outcome = inject(answer=HTML, body=b"<head></HEAD><body></head>")
    assert outcome.body == b"<head>" + SNIPPET.encode() + b"</HEAD><body></head>"
    assert outcome.reads == []


def test_what_was_said_of_the_old_bytes_is_gone(inject: Placed) -> None:
    stale = [("content-length", "13"), ("etag", '"1"'), ("accept-ranges", "bytes")]
    assert inject(answer=[*HTML, *stale], body=b"<head></head>").headers == HTML


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [("content-type", "text/plain")],
        [("content-type", "application/xhtml+xml")],
        [("content-type", "text/html-ish")],
        [*HTML, ("content-encoding", "gzip")],
    ],
)
def test_other_bodies_are_left_alone(inject: Placed, answer: list[tuple[str, str]]) -> None:
    answer = [*answer, ("content-length", "7"), ("etag", '"1"')]
    outcome = inject(answer=answer, body=[b"</head>"])
    assert (outcome.body, outcome.headers) == (b"</head>", answer)


def test_the_type_is_compared_as_types_are(inject: Placed) -> None:
    assert SNIPPET.encode() in inject(answer=[("content-type", "Text/HTML ;a=b")], body=b"</head>").body


@pytest.mark.parametrize("cut", range(1, 16))
def test_a_tag_split_over_two_chunks(inject: Placed, cut: int) -> None:
    page = b"a</h</hEad></head>b"
    assert inject(answer=HTML, body=[page[:cut], page[cut:]]).body == expected(page)


pieces = st.sampled_from([b"<", b"/", b"h", b"E", b"ad", b">", b"</head>", b"</HEAD", b"</header>", b" ", b"\xff\x00"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.lists(pieces, max_size=5).map(b"".join), max_size=12))
def test_any_page_in_any_chunks(inject: Placed, chunks: list[bytes]) -> None:
    assert inject(answer=HTML, body=chunks).body == expected(b"".join(chunks))


def test_an_instance_used_again_starts_anew(place: Place) -> None:
    inject = place("html-inject", {"snippet": "!"})
    assert inject(answer=HTML, body=[b"<p></he"]).body == b"<p></he"
    assert inject(answer=HTML, body=[b"ad></head>"]).body == b"ad>!</head>"


def test_a_large_page(inject: Placed) -> None:
    page = b"<" * 300_000 + b"</head>" + b"x" * 300_000
    assert inject(answer=HTML, body=[page]).body == expected(page)


def test_without_a_snippet(place: Place, guest_log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProxyError):
        place("html-inject", {})(answer=HTML, body=b"x")
    assert "config: want snippet (a text)" in guest_log.text
