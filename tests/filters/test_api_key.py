from __future__ import annotations

import pytest

from proxy.errors import ProxyError
from tests.filters.conftest import Place

CONFIG = {"header": "x-api-key", "query": "api_key", "keys": ["first-key", "schlüssel", "x"]}


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/", [("x-api-key", "first-key")]),
        ("/", [("x-api-key", "schlüssel")]),
        ("/?api_key=x", []),
        ("/?a=1&api_key=schl%C3%BCssel", []),
    ],
)
def test_listed(place: Place, target: str, headers: list[tuple[str, str]]) -> None:
    outcome = place("api-key", CONFIG)(target, headers, status=204)
    assert outcome.status == 204
    assert outcome.passed is not None


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("/", []),
        ("/", [("x-api-key", "")]),
        ("/", [("x-api-key", "first-ke")]),
        ("/", [("x-api-key", "first-key2")]),
        ("/", [("x-api-key", "FIRST-KEY")]),
        ("/", [("x-api-key", "first-key, x")]),
        ("/", [("x-api-key", "x"), ("x-api-key", "x")]),
        ("/?api_key=first", []),
        ("/?api_key", []),
        # The field wins: a wrong one is not made up for by the parameter.
        ("/?api_key=x", [("x-api-key", "wrong")]),
    ],
)
def test_not_listed(place: Place, target: str, headers: list[tuple[str, str]]) -> None:
    outcome = place("api-key", CONFIG)(target, headers)
    assert outcome.passed is None
    assert outcome.status == 401
    assert outcome.header("www-authenticate") == "ApiKey"
    assert outcome.header("cache-control") == "no-store"


def test_the_parameter_is_read_only_without_the_field(place: Place) -> None:
    api_key = place("api-key", CONFIG)
    assert api_key(headers=[("x-api-key", "x")]).reads == [("header", "x-api-key")]
    assert api_key().reads == [("header", "x-api-key"), ("query-param", "api_key")]
    assert place("api-key", {"query": "k", "keys": ["x"]})().reads == [("query-param", "k")]


def test_no_keys_let_nobody_in(place: Place) -> None:
    assert place("api-key", {"header": "k", "keys": []})(headers=[("k", "")]).status == 401


@pytest.mark.parametrize("config", [{}, {"keys": ["x"]}, {"header": "k"}, {"header": "k", "keys": "x"}])
def test_a_wrong_configuration_lets_nobody_in(
    place: Place, config: dict[str, object], guest_log: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ProxyError):
        place("api-key", config)()
    assert "config: want keys (a list of texts), and header or query (a name) or both" in guest_log.text
