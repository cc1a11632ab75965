from __future__ import annotations

import pytest

from proxy.errors import ProxyError
from tests.filters.conftest import Place

CONFIG = {
    "/old": {"to": "/new", "status": 301},
    "/a.b.html": {"to": "/dots"},
    "/search": {"to": "/find?from=search"},
    "/blog/*": {"to": "https://blog.example/*", "status": 308},
    "/blog/2019/*": {"to": "/archive/*.html"},
    "/up/*": {"to": "/*"},
}


@pytest.mark.parametrize(
    ("target", "status", "location"),
    [
        ("/old", 301, "/new"),
        ("/old?page=2", 301, "/new?page=2"),
        ("/a.b.html", 302, "/dots"),
        ("/search?q=x", 302, "/find?from=search"),
        ("/blog/", 308, "https://blog.example/"),
        ("/blog/2020/may?x=%20", 308, "https://blog.example/2020/may?x=%20"),
        ("/blog/2019/may", 302, "/archive/may.html"),
        ("/up/x", 302, "/x"),
        # Not to another site, whatever the path says: `//evil.example` and `/\\evil.example` would be one.
        ("/up//evil.example", 302, "/evil.example"),
        ("/up/\\/evil.example", 302, "/evil.example"),
    ],
)
def test_redirected(place: Place, target: str, status: int, location: str) -> None:
    outcome = place("redirects", CONFIG)(target)
    assert (outcome.status, outcome.header("location"), outcome.body) == (status, location, b"")
    assert outcome.passed is None


@pytest.mark.parametrize("target", ["/", "/old/", "/older", "/blog", "/blogs/a", "/new?to=/old", "/*", "/blog.to"])
def test_passed(place: Place, target: str) -> None:
    outcome = place("redirects", CONFIG)(target)
    assert outcome.passed is not None
    assert outcome.passed.target == target
    assert outcome.reads == [("path", "")]


def test_the_query_is_read_only_where_it_is_kept(place: Place) -> None:
    redirects = place("redirects", CONFIG)
    assert redirects("/old?a").reads == [("path", ""), ("query", "")]
    assert redirects("/search?a").reads == [("path", "")]


def test_a_status_that_is_no_redirect(place: Place, guest_log: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ProxyError):
        place("redirects", {"/a": {"to": "/b", "status": 200}})("/a")
    assert "config: /a.status: 200 is not 301, 302, 303, 307 or 308" in guest_log.text
