"""Routes: which one takes a request."""

from __future__ import annotations

import pytest

from proxy.chain.route import Match, host_of
from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields


def request(authority: str, path: str = "/", method: str = "GET") -> Request:
    return Request(method, "http", authority, path, None, Fields(), Exchange())


@pytest.mark.parametrize(
    ("match", "authority", "path", "method", "matches"),
    [
        (Match(), "a", "/", "GET", True),
        (Match(host="example.com"), "example.com", "/", "GET", True),
        (Match(host="example.com"), "example.com:8080", "/", "GET", True),
        (Match(host="example.com"), "www.example.com", "/", "GET", False),
        (Match(host="*.example.com"), "www.example.com", "/", "GET", True),
        (Match(host="*.example.com"), "a.b.example.com:1", "/", "GET", True),
        (Match(host="*.example.com"), "example.com", "/", "GET", False),
        (Match(host="*.example.com"), ".example.com", "/", "GET", False),
        (Match(host="*.example.com"), "badexample.com", "/", "GET", False),
        (Match(host="[::1]"), "[::1]:80", "/", "GET", True),
        (Match(path="/a"), "h", "/a", "GET", True),
        (Match(path="/a"), "h", "/a/", "GET", False),
        (Match(path="/a/*"), "h", "/a/", "GET", True),
        (Match(path="/a/*"), "h", "/a/b/c", "GET", True),
        (Match(path="/a/*"), "h", "/a", "GET", False),
        (Match(path="/a/*"), "h", "/ab", "GET", False),
        (Match(path="/*"), "h", "/", "GET", True),
        (Match(methods=frozenset({"GET", "HEAD"})), "h", "/", "HEAD", True),
        (Match(methods=frozenset({"GET"})), "h", "/", "POST", False),
    ],
)
def test_match(match: Match, authority: str, path: str, method: str, matches: bool) -> None:
    assert match(request(authority, path, method)) is matches


@pytest.mark.parametrize(
    ("authority", "host"),
    [("a", "a"), ("a:1", "a"), ("[::1]", "[::1]"), ("[::1]:80", "[::1]"), ("1.2.3.4:5", "1.2.3.4")],
)
def test_host_of(authority: str, host: str) -> None:
    assert host_of(authority) == host
