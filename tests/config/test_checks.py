"""Routes that can never match, against the matching itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.chain import route as chain_route
from proxy.config.checks import Draft, check
from proxy.config.model import Match, Route
from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields

LABELS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map(".".join)
HOSTS = LABELS | LABELS.map("*.{}".format)
SEGMENTS = st.lists(st.sampled_from(["x", "y", ""]), max_size=3).map(lambda segments: "/" + "/".join(segments))
PATHS = SEGMENTS | SEGMENTS.map(lambda path: path.rstrip("/") + "/*")
METHODS = st.lists(st.sampled_from(["GET", "HEAD", "POST"]), min_size=1, max_size=3, unique=True)
MATCHES = st.builds(Match, host=st.none() | HOSTS, path=st.none() | PATHS, methods=st.none() | METHODS)


def findings(*matches: Match) -> list[str]:
    routes = {index: Route(match=match, chain=[{"respond": {}}]) for index, match in enumerate(matches)}  # type: ignore[list-item]
    return [found.message for found in check(Draft({}, None, [], [], routes))]


def at(host: str, path: str, method: str) -> Request:
    return Request(method, "http", host, path, None, Fields(), Exchange())


def matches(match: Match, request: Request) -> bool:
    methods = None if match.methods is None else frozenset(match.methods)
    return chain_route.Match(match.host, match.path, methods)(request)


@given(MATCHES, MATCHES, LABELS, SEGMENTS, st.sampled_from(["GET", "HEAD", "POST"]))
def test_a_route_called_unreachable_is(first: Match, second: Match, host: str, path: str, method: str) -> None:
    request = at(host, path, method)
    if findings(first, second) and matches(second, request):
        assert matches(first, request)


@given(MATCHES, MATCHES)
def test_a_route_that_can_be_reached_is_not_called_so(first: Match, second: Match) -> None:
    """By requests that only a wide pattern matches: z and PUT are in no pattern above."""
    host = "z" if second.host is None else second.host.replace("*", "z")
    path = "*" if second.path is None else second.path.replace("*", "z")
    requests = [at(host, path, method) for method in second.methods or ["PUT"]]
    assert all(matches(second, request) for request in requests)
    if not all(matches(first, request) for request in requests):
        assert findings(first, second) == []
    else:
        assert findings(first, second) != []


def test_the_first_route_that_covers_is_named() -> None:
    assert findings(Match(host="a"), Match(path="/x/*"), Match(host="a", path="/x/y")) == [
        "can never match: routes[0] takes every request that it would"
    ]
