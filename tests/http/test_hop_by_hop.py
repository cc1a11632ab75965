"""Fields taken away and added at each hop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.fields import Fields, FixedLines, Line
from proxy.http.hop_by_hop import add_forwarded, add_via, end_to_end, is_first_hop, options, told

A: Line = (b"a", b"1")


def test_lines_without_any_are_passed_on_as_they_are() -> None:
    lines = [A, (b"b", b"2")]
    assert end_to_end(lines) is lines


@pytest.mark.parametrize(
    "name",
    [b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade", b"http2-settings",
     b"proxy-authenticate", b"proxy-authorization"],
)  # fmt: skip
def test_hop_by_hop_fields_are_not_passed_on(name: bytes) -> None:
    assert end_to_end([A, (name, b"x"), A]) == [A, A]


def test_what_connection_names_is_not_passed_on() -> None:
    lines = [(b"connection", b"X-One , ,x-two"), A, (b"x-one", b""), (b"connection", b"close"), (b"x-two", b"")]
    assert end_to_end(lines) == [A]
    assert options(lines) == [b"x-one", b"x-two", b"close"]


def test_framing_cannot_be_named_away() -> None:
    length = (b"content-length", b"3")
    assert end_to_end([(b"connection", b"content-length"), length]) == [length]


@pytest.mark.parametrize("te", [b"trailers", b"Trailers", b"gzip, trailers", b"trailers,deflate;q=0.5"])
def test_the_offer_to_take_trailers_stays(te: bytes) -> None:
    assert end_to_end([(b"connection", b"te"), (b"te", te), A]) == [A, (b"te", b"trailers")]


def test_trailers_that_are_announced_stay_announced() -> None:
    assert end_to_end([(b"trailer", b"x-sum"), (b"te", b"gzip")]) == [(b"trailer", b"x-sum")]


def test_via_is_a_list_in_one_line() -> None:
    assert add_via([A], "1.1", "us") == [A, (b"via", b"1.1 us")]
    before = [(b"via", b"1.0 x"), A, (b"via", b"2 y")]
    assert add_via(before, "1.1", "us") == [A, (b"via", b"1.0 x, 2 y, 1.1 us")]


def test_the_client_is_told_of() -> None:
    assert add_forwarded([A], "192.0.2.7", "http", "shop") == [
        A,
        (b"x-forwarded-for", b"192.0.2.7"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"shop"),
        (b"forwarded", b"for=192.0.2.7;host=shop;proto=http"),
    ]


def test_addresses_with_colons_are_quoted_in_forwarded_only() -> None:
    added = dict(add_forwarded([], "2001:db8::1", "https", "shop:8443"))
    assert added[b"x-forwarded-for"] == b"2001:db8::1"
    assert added[b"forwarded"] == b'for="[2001:db8::1]";host="shop:8443";proto=https'


@pytest.mark.parametrize("host", ["shop;proto=https", "shop,for=10.0.0.1", "a=b"])
def test_a_host_begins_no_parameter_of_forwarded(host: str) -> None:
    added = dict(add_forwarded([], "192.0.2.7", "http", host))
    assert added[b"forwarded"] == f'for=192.0.2.7;host="{host}";proto=http'.encode()


@pytest.mark.parametrize("claim", [b'for="', b'for="a\\"', b'for=a, host="b;"c"', b"for=a\\"])
def test_a_claim_with_an_open_quote_is_left_out(claim: bytes) -> None:
    added = add_forwarded([(b"forwarded", claim), (b"forwarded", b'for="[2001:db8::1]"')], "192.0.2.7", "http", "shop")
    assert dict(added)[b"forwarded"] == b'for="[2001:db8::1]", for=192.0.2.7;host=shop;proto=http'


def test_lists_get_longer_and_claims_are_replaced() -> None:
    added = add_forwarded(
        [
            (b"x-forwarded-for", b"10.0.0.1"),
            (b"x-forwarded-proto", b"https"),
            (b"x-forwarded-for", b"10.0.0.2, 10.0.0.3"),
            (b"x-forwarded-host", b"bank"),
            (b"forwarded", b"for=10.0.0.1"),
        ],
        "192.0.2.7",
        "http",
        "shop",
    )
    assert added == [
        (b"x-forwarded-for", b"10.0.0.1, 10.0.0.2, 10.0.0.3, 192.0.2.7"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"shop"),
        (b"forwarded", b"for=10.0.0.1, for=192.0.2.7;host=shop;proto=http"),
    ]


def test_names_that_pass_for_ours_behind_cgi_are_left_out() -> None:
    claims = [(b"x_forwarded_for", b"6"), (b"x-forwarded_host", b"evil"), (b"content_length", b"5"), (b"proxy", b"x")]
    kept = [name for name, _ in add_forwarded([*claims, (b"my_own", b"1")], "192.0.2.1", "http", "h")]
    assert kept == [b"my_own", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"forwarded"]


NAMES = st.sampled_from(
    [b"accept", b"proxy", b"via", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host",
     b"x_forwarded_for", b"x-request-id", b"content_length", b"a_b", b"cookie"]
)  # fmt: skip


@given(st.lists(st.tuples(NAMES, st.just(b"1"))))
def test_nothing_of_hops_before_is_nothing_that_would_be_changed(lines: list[Line]) -> None:
    added = told("1.1", "edge", "192.0.2.7", "http", "shop").lines
    first = is_first_hop(Fields(lines))
    fixed = FixedLines(lines)
    assert first == is_first_hop(Fields(fixed)) == is_first_hop(Fields(fixed))
    if first:
        assert add_forwarded(add_via(lines, "1.1", "edge"), "192.0.2.7", "http", "shop") == [*lines, *added]
        assert not {b"via", b"x-request-id"} & dict(lines).keys()
    else:
        assert {name for name, _ in lines} - {b"accept", b"cookie"}


def test_what_is_told_again_is_kept_but_for_endless_names() -> None:
    assert told("1.1", "edge", "192.0.2.7", "http", "shop") is told("1.1", "edge", "192.0.2.7", "http", "shop")
    assert told("1.1", "edge", "192.0.2.7", "http", "a" * 999) is not told(
        "1.1", "edge", "192.0.2.7", "http", "a" * 999
    )
    assert told("1.0", "edge", "192.0.2.7", "http", "shop").lines[0] == (b"via", b"1.0 edge")
    assert told("1.0", "other", "192.0.2.7", "http", "shop").lines[0] == (b"via", b"1.0 other")
