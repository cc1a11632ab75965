"""What a request is about."""

from __future__ import annotations

import pytest

from proxy.errors import ProxyError
from proxy.http import target


@pytest.mark.parametrize(
    ("on_the_line", "host", "expected"),
    [
        ("/", b"A.example", ("a.example", "/", None)),
        ("/a?b?c", b"a:8080", ("a:8080", "/a", "b?c")),
        ("/", None, ("us:80", "/", None)),
        ("http://A", b"a", ("a", "/", None)),
        ("http://a?b", None, ("a", "/", "b")),
        ("/", b"[2001:DB8:0:0::1]:80", ("[2001:db8::1]:80", "/", None)),
        ("http://[0:0:0:0:0:0:0:1]/", b"[::1]", ("[::1]", "/", None)),
        ("https://[::1]:8443/a", b"[::1]:8443", ("[::1]:8443", "/a", None)),
    ],
)
def test_targets(on_the_line: str, host: bytes | None, expected: tuple[str, str, str | None]) -> None:
    assert target.parse("GET", on_the_line, host, "us:80") == expected


def test_the_asterisk_is_for_options() -> None:
    assert target.parse("OPTIONS", "*", b"a", "") == ("a", "*", None)
    assert target.parse("OPTIONS", "http://a", b"a", "") == ("a", "*", None)
    assert target.parse("OPTIONS", "http://a/", b"a", "") == ("a", "/", None)
    for method, on_the_line in (("GET", "*"), ("OPTIONS", "*?"), ("OPTIONS", "**")):
        with pytest.raises(ProxyError):
            target.parse(method, on_the_line, b"a", "")


@pytest.mark.parametrize(
    ("on_the_line", "host"),
    [
        ("a", b"a"),
        ("a:80", b"a:80"),
        ("?a", b"a"),
        ("ftp://a/", b"a"),
        ("http:/a", b"a"),
        ("http://", b"a"),
        ("http://b/", b"a"),
        ("http://a@a/", b"a"),
        ("http://a:80/", b"a"),
        ("/", b""),
        ("/", b"a b"),
        ("/", b"a\xff"),
        ("/", b"a:123456"),
        ("/", b"[::1"),
        ("/", b"[:::]"),
        ("/", b"[1.2.3.4]"),
        ("/", b"[fe80::1%eth0]"),
        ("/", b"[::1]80"),
        ("/", b"a" * 262),
    ],
)
def test_targets_that_are_refused(on_the_line: str, host: bytes) -> None:
    with pytest.raises(ProxyError) as refusal:
        target.parse("GET", on_the_line, host, "us:80")
    assert refusal.value.status == 400
