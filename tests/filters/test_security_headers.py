from __future__ import annotations

from tests.filters.conftest import Place

DEFAULTS = [
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "SAMEORIGIN"),
]


def test_without_configuration(place: Place) -> None:
    outcome = place("security-headers", {})(answer=[("content-type", "text/html")], body=b"x")
    assert outcome.headers == [("content-type", "text/html"), *DEFAULTS]
    assert outcome.body == b"x"
    assert outcome.reads == []


def test_what_the_origin_says_stays(place: Place) -> None:
    outcome = place("security-headers", {})(answer=[("X-Frame-Options".lower(), "DENY"), ("referrer-policy", "")])
    assert outcome.header("x-frame-options") == "DENY"
    assert outcome.header("referrer-policy") == ""
    assert len(outcome.headers) == len(DEFAULTS)


def test_configured(place: Place) -> None:
    config = {
        "content-security-policy": "default-src 'self'; img-src *",
        "x-frame-options": "",
        "permissions-policy": "é",
    }
    outcome = place("security-headers", config)()
    assert outcome.header("content-security-policy") == "default-src 'self'; img-src *"
    assert outcome.header("permissions-policy") == "é"
    assert outcome.header("x-frame-options") is None
