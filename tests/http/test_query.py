"""Which parameters of a query matter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.fields import Fields
from proxy.http.query import Names, QueryRule, no_vary_search

TRACKING = Names.of(["utm_*", "gclid", "a b"])


@pytest.mark.parametrize(
    ("query", "canonical"),
    [
        ("utm_source=x&q=1&gclid=2", "q=1"), ("q=1&q=2", "q=1&q=2"), ("utm_=1", None), ("gclid", None),
        ("utm%5Fx=1&q", "q"), ("a+b=1&a%20b=2&c", "c"), ("xutm_a=1", "xutm_a=1"), ("", ""), ("&", "&"),
    ],
)  # fmt: skip
def test_ignored(query: str, canonical: str | None) -> None:
    assert QueryRule(ignore=TRACKING).canonical(query) == canonical


def test_nothing_else_matters() -> None:
    rule = QueryRule(only=Names.of(["q", "page*"]))
    assert rule.canonical("x=1&pages=2&q=3&Q=4") == "pages=2&q=3"
    assert rule.canonical("x=1") is None


def test_order() -> None:
    assert QueryRule(sort=True).canonical("b=2&a=1&b=1&%61=0") == "a=1&%61=0&b=2&b=1"


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ('params=("a" "b+c" "d*")', QueryRule(ignore=Names(frozenset(("a", "b c", "d*"))))),
        ("params", QueryRule(only=Names(frozenset()))), ("key-order", QueryRule(sort=True)),
        ('params, except=("q"), key-order', QueryRule(only=Names(frozenset("q")), sort=True)),
        ("params=?0, key-order=?1", QueryRule(sort=True)),
        # None of these says anything
        ("", None), ("params=?0", None), ("params=a", None), ('params="a"', None), ("params=(a)", None),
        ("key-order=1", None), ('except=("q")', None), ('params=("a"), except=("q")', None), ("params, except=q", None),
        ("params=(", None), ("&&&", None),
    ],
)  # fmt: skip
def test_no_vary_search(value: str, rule: QueryRule | None) -> None:
    assert no_vary_search(Fields([(b"no-vary-search", value.encode())])) == rule
    assert no_vary_search(Fields()) is None


names = st.sampled_from(["a", "b", "utm_x", "%61", "a+b", ""])
queries = st.lists(st.tuples(names, st.sampled_from(["", "=", "=1", "=2&"]))).map(
    lambda pairs: "&".join(name + value for name, value in pairs)
)
rules = st.builds(
    QueryRule,
    ignore=st.sampled_from([TRACKING, Names.of([]), Names.of(["a"])]),
    only=st.sampled_from([None, Names.of(["a", "utm_*"])]),
    sort=st.booleans(),
)


@given(queries | st.text("ab%=&+_utm0123456789", max_size=20), rules)
def test_canonical_is_final(query: str, rule: QueryRule) -> None:
    once = rule.canonical(query)
    assert once is None or rule.canonical(once) == once
