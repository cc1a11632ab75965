from __future__ import annotations

import pytest

from proxy.errors import ProxyError
from tests.filters.conftest import Place


def test_both_sides(place: Place) -> None:
    headers = place(
        "headers",
        {
            "request": {"remove": ["X-Debug"], "set": {"x-by": "sluice"}, "append": {"x-list": "2"}},
            "response": {"remove": ["server"], "set": {"x-edge": "1"}, "append": {"vary": "accept-language"}},
        },
    )
    outcome = headers(
        headers=[("x-debug", "1"), ("x-by", "somebody"), ("x-list", "1")],
        answer=[("server", "apache"), ("vary", "accept")],
    )
    assert outcome.passed is not None
    assert outcome.passed.fields.lines == [(b"x-by", b"sluice"), (b"x-list", b"1"), (b"x-list", b"2")]
    assert outcome.headers == [("vary", "accept"), ("x-edge", "1"), ("vary", "accept-language")]
    assert outcome.reads == []


def test_a_field_is_removed_before_it_is_written_anew(place: Place) -> None:
    headers = place("headers", {"response": {"remove": ["via"], "append": {"via": "sluice"}}})
    assert headers(answer=[("via", "a"), ("via", "b")]).headers == [("via", "sluice")]


def test_nothing_configured(place: Place) -> None:
    outcome = place("headers", {})(headers=[("a", "b")], answer=[("c", "d")])
    assert outcome.passed is not None
    assert outcome.passed.fields.lines == [(b"a", b"b")]
    assert outcome.headers == [("c", "d")]


@pytest.mark.parametrize("config", [{"request": {"set": {"x-version": 2}}}, {"request": {"remove": "x"}}])
def test_a_wrong_configuration_says_what_is_wanted(
    place: Place, config: dict[str, object], guest_log: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ProxyError, match="filter headers failed"):
        place("headers", config)()
    assert (
        "want request and response, each with remove (a list of names), set and append (name: text)" in guest_log.text
    )
