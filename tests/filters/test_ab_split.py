from __future__ import annotations

from collections import Counter

import pytest

from proxy.errors import ProxyError
from tests.filters.conftest import Place
from tests.filters.placed import Outcome

CONFIG = {"experiment": "design", "header": "x-design", "weights": {"plain": 3, "bold": 1}}


def variant_of(outcome: Outcome) -> str:
    assert outcome.passed is not None
    variant = outcome.passed.fields.get(b"x-design")
    assert variant is not None
    assert outcome.passed.notes["design"] == variant.decode()
    return variant.decode()


@pytest.mark.parametrize("variant", ["plain", "bold"])
def test_the_cookie_decides(place: Place, variant: str) -> None:
    outcome = place("ab-split", CONFIG)(headers=[("cookie", f"a=b; design={variant}"), ("x-design", "forged")])
    assert variant_of(outcome) == variant
    assert outcome.header("set-cookie") is None
    assert outcome.reads == [("cookie", "design")]


@pytest.mark.parametrize("cookie", [[], [("cookie", "design=gone")], [("cookie", "design=")]])
def test_a_new_visitor_is_given_the_cookie(place: Place, cookie: list[tuple[str, str]]) -> None:
    outcome = place("ab-split", CONFIG)(headers=cookie, answer=[("set-cookie", "sid=1")])
    variant = variant_of(outcome)
    assert outcome.headers == [
        ("set-cookie", "sid=1"),
        ("set-cookie", f"design={variant}; Path=/; Max-Age=2592000; SameSite=Lax"),
    ]
    assert set(outcome.reads) == {("cookie", "design"), ("header", "user-agent"), ("client-address", "")}


def test_shares_follow_the_weights(place: Place) -> None:
    split = place("ab-split", CONFIG)
    variants = Counter(variant_of(split(client=f"192.0.2.{n}", headers=[("user-agent", str(n))])) for n in range(200))
    assert 120 < variants["plain"] < 180
    assert variants.total() == 200


def test_a_visitor_without_the_cookie_stays(place: Place) -> None:
    visits = [place("ab-split", CONFIG)(client="192.0.2.77", headers=[("user-agent", "x")]) for _ in range(3)]
    assert len({variant_of(visit) for visit in visits}) == 1


def test_a_variant_of_no_weight_is_given_to_nobody_new(place: Place) -> None:
    split = place("ab-split", {**CONFIG, "weights": {"bold": 0, "plain": 1, "zero": 0}})
    assert {variant_of(split(client=f"192.0.2.{n}")) for n in range(20)} == {"plain"}
    assert variant_of(split(headers=[("cookie", "design=bold")])) == "bold"


@pytest.mark.parametrize(
    "wrong", [{"weights": {}}, {"weights": {"a": 0}}, {"weights": {"a": -1}}, {"weights": {"a": 0.5}}, {"header": None}]
)
def test_a_wrong_configuration(place: Place, wrong: dict[str, object], guest_log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProxyError):
        place("ab-split", {**CONFIG, **wrong})()
    assert "config: want experiment and header (names) and weights" in guest_log.text
