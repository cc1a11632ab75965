"""What guests read of a request, and which caches are told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.exchange import Exchange, Request
from proxy.exchange.observation import (
    ACCESSORS,
    Observation,
    Reads,
    Value,
    observed,
    source_of,
    value_of,
    written,
)
from proxy.http.fields import Fields


def request(query: str | None = None, *lines: tuple[bytes, bytes]) -> Request:
    return Request("GET", "http", "example.com", "/a", query, Fields(lines), Exchange(client="192.0.2.7"))


@pytest.mark.parametrize(
    ("observation", "value"),
    [
        (("method", ""), "GET"),
        (("scheme", ""), "http"),
        (("authority", ""), "example.com"),
        (("path", ""), "/a"),
        (("query", ""), "x=1&y=a%20b&x=2&flag"),
        (("query-param", "x"), "1"),
        (("query-param", "y"), "a b"),
        (("query-param", "flag"), ""),
        (("query-param", "z"), None),
        (("header", "accept"), "a, b"),
        (("header", "host"), "example.com"),
        (("header", "none"), None),
        (("header", "bytes"), "a\ufffdb"),
        (("cookie", "sid"), "s=1"),
        (("cookie", "b"), "2"),
        (("cookie", "none"), None),
        (("client-address", ""), "192.0.2.7"),
        (("note", "variant"), None),
    ],
)
def test_accessors(observation: Observation, value: Value) -> None:
    lines = [
        (b"accept", b"a"),
        (b"cookie", b"sid=s=1; a"),
        (b"accept", b"b"),
        (b"bytes", b"a\xffb"),
        (b"cookie", b" b=2 "),
    ]
    assert value_of(request("x=1&y=a%20b&x=2&flag", *lines), observation) == value


def test_all_headers_come_in_order_with_host() -> None:
    assert value_of(request(None, (b"b", b"1"), (b"a", b"2")), ("headers", "")) == (
        ("host", "example.com"),
        ("b", "1"),
        ("a", "2"),
    )


def test_a_read_is_told_to_every_cache_above() -> None:
    outer: Reads = {}
    inner: Reads = {}
    seen = request()
    seen.observers = ((outer, frozenset()), (inner, frozenset()))
    observed(seen, ("header", "accept"))
    assert list(outer) == list(inner) == [("header", "accept")]


def test_what_was_written_below_a_cache_is_not_an_observation_there() -> None:
    outer: Reads = {}
    passed_down = request()
    passed_down.observers = ((outer, frozenset()),)
    written(passed_down, frozenset({("header", "cookie"), ("query", "")}))
    for observation in (("cookie", "sid"), ("header", "cookie"), ("query-param", "x"), ("query", ""), ("path", "")):
        observed(passed_down, observation)
    assert list(outer) == [("path", "")]


def test_a_cache_between_the_write_and_the_read_is_told() -> None:
    outer: Reads = {}
    inner: Reads = {}
    passed_down = request()
    passed_down.observers = ((outer, frozenset()),)
    written(passed_down, frozenset({("header", "lang")}))
    passed_down.observers = (*passed_down.observers, (inner, frozenset()))
    observed(passed_down, ("header", "lang"))
    assert not outer
    assert list(inner) == [("header", "lang")]


def test_no_write_hides_a_wildcard() -> None:
    outer: Reads = {}
    passed_down = request()
    passed_down.observers = ((outer, frozenset({("header", "a"), ("authority", "")})),)
    observed(passed_down, ("headers", ""))
    assert list(outer) == [("headers", "")]


@given(
    accessor=st.sampled_from(sorted(ACCESSORS)),
    argument=st.text(max_size=8),
    query=st.text(st.characters(codec="ascii"), max_size=30),
    cookie=st.binary(max_size=30),
)
def test_no_message_makes_an_accessor_fail(accessor: str, argument: str, query: str, cookie: bytes) -> None:
    seen = request(query, (b"cookie", cookie))
    observation = (accessor, argument)
    value = value_of(seen, observation)
    hash(value)
    source = source_of(observation)
    assert source is None or hash(source) is not None
