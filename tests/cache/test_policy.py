"""What RFC 9111 lets a shared cache store and reuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cache.policy import (
    DEFAULT,
    Received,
    Refusal,
    Reuse,
    Rules,
    SetCookie,
    Terms,
    initial_age,
    judge,
    reuse,
    withheld,
)
from proxy.http import dates
from proxy.http.cache_control import Directives
from proxy.http.fields import Fields
from tests.cache.scene import NOON, lines


def _dated(fields: str) -> Fields:
    """Field lines in which @-100 and @+100 are dates so many seconds from noon."""
    for offset in (-100, 100):
        fields = fields.replace(f"@{offset:+}", dates.render(NOON + offset).decode())
    return Fields(lines(fields))


def _judge(fields: str, *, status: int = 200, request: str = "", rules: Rules = DEFAULT) -> Terms | Refusal:
    return judge(Received(Fields(lines(request)), status, _dated(fields), NOON, NOON, rules))


@pytest.mark.parametrize(
    ("fields", "status", "refusal"),
    [
        ("cache-control: max-age=5, no-store", 200, Refusal.NO_STORE),
        ("cache-control: max-age=5, No-Store", 200, Refusal.NO_STORE),
        ("cache-control: max-age=5, must-understand, no-store", 499, Refusal.STATUS),
        ("cache-control: max-age=5, private", 200, Refusal.PRIVATE),
        ('cache-control: max-age=5, private=""', 200, Refusal.PRIVATE),
        ("cache-control: max-age=5|vary: *", 200, Refusal.VARY),
        ("cache-control: max-age=5|set-cookie: a=b", 200, Refusal.SET_COOKIE),
        ("cache-control: max-age=5", 206, Refusal.PARTIAL),
        ("cache-control: max-age=5", 304, Refusal.STATUS),
        ("", 200, Refusal.NO_FRESHNESS),
        ("expires: 0", 200, Refusal.NO_FRESHNESS),
        ("cache-control: no-cache, max-age=5", 200, Refusal.NO_FRESHNESS),
        ("cache-control: max-age=5|age: 5", 200, Refusal.NO_FRESHNESS),
        ("cache-control: max-age=5, stale-while-revalidate=5|age: 10", 200, Refusal.NO_FRESHNESS),
        ("cache-control: no-cache, max-age=5, stale-while-revalidate=5", 200, Refusal.NO_FRESHNESS),
        ("etag: x", 302, Refusal.STATUS),
        ("etag: x", 500, Refusal.STATUS),
    ],
)
def test_refused(fields: str, status: int, refusal: Refusal) -> None:
    assert _judge(fields, status=status) is refusal


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("cache-control: max-age=5", 200),
        ("cache-control: max-age=5", 302),
        ("cache-control: max-age=5", 503),
        ("cache-control: max-age=5", 299),
        ("cache-control: public|etag: x", 302),
        ("cache-control: no-store, must-understand, max-age=5", 200),
        ("cache-control: max-age=5, public|set-cookie: a=b", 200),
        ("cache-control: s-maxage=5|set-cookie: a=b", 200),
        ("cache-control: no-cache|etag: x", 200),
        ("last-modified: @-100", 404),
        ("etag: x", 200),
    ],
)
def test_stored(fields: str, status: int) -> None:
    assert isinstance(_judge(fields, status=status), Terms)


@pytest.mark.parametrize("directive", ["public", "s-maxage=5", "must-revalidate, max-age=5"])
def test_with_authorization_only_if_the_response_says_so(directive: str) -> None:
    request = "authorization: Basic x"
    assert _judge("cache-control: max-age=5", request=request) is Refusal.AUTHORIZATION
    assert isinstance(_judge(f"cache-control: {directive}|etag: x", request=request), Terms)


def test_a_request_can_forbid_storing() -> None:
    assert _judge("cache-control: max-age=5", request="cache-control: no-store") is Refusal.REQUEST_NO_STORE


@pytest.mark.parametrize(
    ("fields", "lifetime"),
    [
        ("cache-control: max-age=5", 5), ("cache-control: max-age=5, s-maxage=9", 9),
        ("cache-control: max-age=5|expires: @+100", 5), ("expires: @+100", 100),
        ("expires: @+100|date: @-100", 200), ("expires: never|etag: x", 0), ("cache-control: max-age=x|etag: x", 0),
        ("last-modified: @-100", 10), ("last-modified: @+100", 0),
        ("last-modified: Sun, 06 Nov 1994 08:49:37 GMT", 86400),
        ("cache-control: max-age=99999999999999", 2**31),
    ],
)  # fmt: skip
def test_lifetime(fields: str, lifetime: float) -> None:
    terms = _judge(fields)
    assert isinstance(terms, Terms)
    assert terms.lifetime == pytest.approx(lifetime)


def test_the_ttl_counts_only_where_the_response_gives_none() -> None:
    def lifetime(fields: str, status: int = 200) -> float:
        terms = _judge(fields, rules=Rules(ttl=60), status=status)
        assert isinstance(terms, Terms)
        return terms.lifetime

    assert lifetime("") == 60
    assert lifetime("last-modified: @-100") == 60
    assert lifetime("", 404) == 60
    assert lifetime("cache-control: max-age=5") == 5
    assert lifetime("expires: @+100") == 100
    assert _judge("", rules=Rules(ttl=60), status=500) is Refusal.STATUS
    assert _judge("expires: 0", rules=Rules(ttl=60)) is Refusal.NO_FRESHNESS


@pytest.mark.parametrize(
    ("fields", "delay", "age"),
    [
        ("", 0, 0), ("age: 7", 0, 7), ("age: 7", 3, 10),
        ("age: 7|date: @-100", 0, 100), ("age: 200|date: @-100", 0, 200),
        ("date: @+100", 0, 0),
        # §5.1
        ("age: x", 0, 0), ("age: -7", 0, 0), ("age: 7.5", 0, 0), ("age: 7, 0", 0, 7), ("age: 0|age: 7", 0, 0),
    ],
)  # fmt: skip
def test_initial_age(fields: str, delay: float, age: float) -> None:
    assert initial_age(Received(Fields(), 200, _dated(fields), NOON - delay, NOON)) == age


def _reuse(wishes: str, now: float, *, validate: bool = False, strict: bool = False) -> Reuse:
    return reuse(Terms(NOON, 100, validate, strict), Directives(wishes.encode()), NOON + now)


@pytest.mark.parametrize(
    ("wishes", "now", "outcome"),
    [
        ("", 0, Reuse.FRESH), ("", 99, Reuse.FRESH), ("", 100, Reuse.STALE),
        ("no-cache", 0, Reuse.REQUEST_NO_CACHE),
        ("max-age=10", 10, Reuse.FRESH), ("max-age=10", 11, Reuse.REQUEST_MAX_AGE),
        ("max-age=0", 1, Reuse.REQUEST_MAX_AGE), ("max-age=x", 1, Reuse.REQUEST_MAX_AGE),
        ("max-age=10, max-stale", 11, Reuse.FRESH),
        ("min-fresh=10", 90, Reuse.FRESH), ("min-fresh=10", 91, Reuse.REQUEST_MIN_FRESH),
        ("max-stale", 9999, Reuse.ACCEPTED_STALE), ("max-stale=5", 105, Reuse.ACCEPTED_STALE),
        ("max-stale=5", 106, Reuse.STALE), ("max-stale=x", 106, Reuse.STALE),
        ("no-cache, max-stale", 106, Reuse.REQUEST_NO_CACHE),
    ],
)  # fmt: skip
def test_reuse(wishes: str, now: float, outcome: Reuse) -> None:
    assert _reuse(wishes, now) is outcome


def test_what_the_origin_says_goes_before_what_the_client_accepts() -> None:
    assert _reuse("max-stale", 101, strict=True) is Reuse.STALE
    assert _reuse("", 99, strict=True) is Reuse.FRESH
    assert _reuse("max-stale", 1, validate=True) is Reuse.ALWAYS_VALIDATE


ages = st.integers(0, 10**7)


@given(st.one_of(st.none(), ages), st.one_of(st.none(), ages), ages, ages)
def test_age_never_runs_backwards(age: int | None, dated: int | None, delay: int, lifetime: int) -> None:
    """Age is at least what was declared, at least what Date tells, at least the delay; fresh is age < lifetime."""
    fields = Fields([(b"cache-control", b"max-age=%d" % lifetime), (b"etag", b"x")])
    if age is not None:
        fields.append(b"age", b"%d" % age)
    if dated is not None:
        fields.append(b"date", dates.render(NOON - dated))
    terms = judge(Received(Fields(), 200, fields, NOON - delay, NOON))
    assert isinstance(terms, Terms)
    current = NOON - terms.born
    assert current == max(dated or 0, (age or 0) + delay)
    assert (reuse(terms, Directives(None), NOON) is Reuse.FRESH) == (current < lifetime)


names = st.sampled_from([b"cache-control", b"expires", b"date", b"age", b"vary", b"last-modified", b"etag", b"pragma"])
words = st.sampled_from([b"max-age", b"=", b"5", b'"', b",", b"no-cache", b"Sun, 06 Nov 1994 08:49:37 GMT", b"-", b"*"])
values = st.binary(max_size=30) | st.lists(words, max_size=8).map(b"".join)


@given(st.lists(st.tuples(names, values)), st.lists(st.tuples(names, values)), st.integers(200, 599))
def test_garbage_never_raises(
    response: list[tuple[bytes, bytes]], request: list[tuple[bytes, bytes]], status: int
) -> None:
    terms = judge(Received(Fields(request), status, Fields(response), NOON, NOON, Rules(ttl=60)))
    if isinstance(terms, Terms):
        reuse(terms, Directives(Fields(request).get(b"cache-control")), NOON + 1)


def test_what_does_not_change_is_not_asked_for_again() -> None:
    """RFC 8246 §2."""
    terms = _judge("cache-control: max-age=100, immutable")
    assert isinstance(terms, Terms)
    assert reuse(terms, Directives(b"max-age=0"), NOON + 50) is Reuse.FRESH
    assert reuse(terms, Directives(b"no-cache"), NOON + 50) is Reuse.REQUEST_NO_CACHE
    assert reuse(terms, Directives(b"max-age=0"), NOON + 101) is Reuse.REQUEST_MAX_AGE


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ('cache-control: private="Set-Cookie, x-User"', {b"set-cookie", b"x-user"}),
        ('cache-control: no-cache=" x , ,y"', {b"x", b"y"}), ("cache-control: no-cache=x", {b"x"}),
        ("cache-control: private", set()), ('cache-control: no-cache=""', set()), ("", set()),
        ('cdn-cache-control: private="x"|cache-control: private="y"', {b"x"}),
    ],
)  # fmt: skip
def test_fields_that_are_not_stored(fields: str, names: set[bytes]) -> None:
    assert withheld(_dated(fields), DEFAULT) == names


def test_directives_that_name_fields_do_not_forbid_storing() -> None:
    for directive in ('private="set-cookie"', 'no-cache="set-cookie"'):
        terms = _judge(f"cache-control: max-age=5, {directive}|set-cookie: a=b")
        assert isinstance(terms, Terms)
        assert not terms.validate
    assert _judge('cache-control: max-age=5, private="x"|set-cookie: a=b') is Refusal.SET_COOKIE


@pytest.mark.parametrize("choice", [SetCookie.STRIP, SetCookie.STORE])
def test_the_choice_about_set_cookie(choice: SetCookie) -> None:
    rules = Rules(set_cookie=choice)
    fields = "cache-control: max-age=5|set-cookie: a=b"
    assert isinstance(_judge(fields, rules=rules), Terms)
    assert withheld(_dated(fields), rules) == ({b"set-cookie"} if choice is SetCookie.STRIP else set())
    assert not withheld(_dated(fields + "|cache-control: public"), rules)


@pytest.mark.parametrize(
    ("status", "fields", "lifetime"),
    [
        (404, "", 10), (404, "last-modified: @-100", 10), (503, "", 1), (200, "", 60),
        (404, "cache-control: max-age=5", 5), (503, "expires: @+100", 100), (503, "cache-control: no-cache|etag: x", 1),
    ],
)  # fmt: skip
def test_lifetimes_by_status(status: int, fields: str, lifetime: float) -> None:
    terms = _judge(fields, status=status, rules=Rules(ttl=60, status_ttl={404: 10, 503: 1}))
    assert isinstance(terms, Terms)
    assert terms.lifetime == lifetime


def test_a_status_without_lifetime_is_not_stored() -> None:
    rules = Rules(ttl=60, status_ttl={404: 10, 503: 1})
    assert _judge("", status=502, rules=rules) is Refusal.STATUS
    assert _judge("cache-control: no-store", status=503, rules=rules) is Refusal.NO_STORE


def test_a_targeted_field_stands_in_for_cache_control_and_expires() -> None:
    """RFC 9213 §2.2."""
    fresh = _judge("cdn-cache-control: max-age=7|cache-control: no-store|expires: 0")
    assert isinstance(fresh, Terms)
    assert fresh.lifetime == 7
    assert _judge("cdn-cache-control: no-store|cache-control: max-age=7|expires: @+100") is Refusal.NO_STORE
    assert _judge("cdn-cache-control: none|expires: @+100") is Refusal.NO_FRESHNESS
    assert _judge("cdn-cache-control: max-age=7, &|cache-control: no-store") is Refusal.NO_STORE
    assert _judge("x-cdn: max-age=7", rules=Rules(target_list=(b"x-cdn",))) == fresh
