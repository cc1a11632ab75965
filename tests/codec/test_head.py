"""Plain heads, which llhttp never sees, are what llhttp would have said of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.codec import head as heads
from proxy.codec.events import RequestHead
from proxy.codec.head import HeadParser
from proxy.codec.limits import Limits
from proxy.errors import ProxyError

LINES = [
    b"Host: a.example", b"host:\t b:80 ", b"Host: a b", b"Host:", b"Accept: */*", b"accept : x", b"Accept:  x\t",
    b"Cookie: a=\xe9", b"X-Empty:", b"X: \x01", b" folded", b"Connection: keep-alive", b"Connection: close",
    b"Keep-Alive: timeout=1", b"Content-Length: 0", b"Content-Length: 3", b"Transfer-Encoding: chunked",
    b"Expect: 100-continue", b"Upgrade: websocket", b"Connection: upgrade", b"TE: trailers", b"bad name: 1", b"\x80: 1",
]  # fmt: skip
METHODS = [b"GET", b"HEAD", b"POST", b"get", b"OPTIONS", b"CONNECT", b"TRACE", b"BREW"]
TARGETS = [
    b"/",
    b"/a?b",
    b"/?",
    b"/a??",
    b"/a#b",
    b"*",
    b"a",
    b"http://a.example/x",
    b"/\xe9",
    b"/a b",
    b"//a/../b",
    b"",
]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"http/1.1"]


def _outcome(parse: Callable[[bytes], RequestHead], head: bytes) -> object:
    try:
        return parse(head)
    except ProxyError as error:
        return error.failure, error.status, error.detail


@given(
    st.sampled_from(METHODS), st.sampled_from(TARGETS), st.sampled_from(VERSIONS), st.booleans(),
    st.lists(st.sampled_from(LINES), max_size=5),
)  # fmt: skip
@example(b"GET", b"/a?b", b"HTTP/1.1", True, [b"Accept:  x\t", b"Cookie: a=\xe9"])
def test_a_head_is_the_same_with_and_without_llhttp(
    method: bytes, target: bytes, version: bytes, has_host: bool, lines: list[bytes]
) -> None:
    section = [b"Host: a.example:8080", *lines] if has_host else lines
    head = b"\r\n".join([b" ".join((method, target, version)), *section, b"", b""])
    by_llhttp = _outcome(HeadParser(Limits(), "here")._parse, head)
    parser = HeadParser(Limits(), "here")
    assert _outcome(parser.parse, head) == by_llhttp
    if isinstance(by_llhttp, RequestHead) and by_llhttp.length == 0 and by_llhttp.keep_alive:
        assert _outcome(parser.parse, head) == by_llhttp


def test_a_connection_whose_lines_change_is_told_each_time() -> None:
    parser = HeadParser(Limits(), "here")
    for cookie in (b"a=1", b"a=1", b"a=2"):
        head = parser.parse(b"GET /x HTTP/1.1\r\nHost: a\r\nCookie: %s\r\n\r\n" % cookie)
        assert head.fields.lines == [(b"cookie", cookie)]
        head.fields.set(b"cookie", b"changed by a stage")


def _get(section: bytes) -> bytes:
    return b"GET /x HTTP/1.1\r\nHost: a\r\n%s\r\n" % section


def test_what_one_connection_has_said_is_known_on_all() -> None:
    section = b"Connection: keep-alive\r\nCookie: a=1\r\nAccept: */*\r\n"
    once, first, second = (HeadParser(Limits(), "here").parse(_get(section)) for _ in range(3))
    assert once == first == second
    assert once.fields.fixed is None
    assert first.fields.fixed is second.fields.fixed is not None
    first.fields.set(b"cookie", b"changed by a stage")
    assert second.fields.lines == [(b"cookie", b"a=1"), (b"accept", b"*/*")]


def test_what_a_connection_says_again_is_known_however_long() -> None:
    parser = HeadParser(Limits(), "here")
    heads = [parser.parse(_get(b"Cookie: %s\r\n" % (b"x" * 3000))) for _ in range(3)]
    assert heads[0] == heads[1] == heads[2]
    assert heads[1].fields.fixed is heads[2].fields.fixed is not None


def test_what_is_known_is_held_to_the_limits_of_each_connection() -> None:
    section = b"Connection: keep-alive\r\nCookie: a=2\r\nAccept: */*\r\n"
    for _ in range(2):
        HeadParser(Limits(field_lines=100), "here").parse(_get(section))
    with pytest.raises(ProxyError) as refused:
        HeadParser(Limits(field_lines=1), "here").parse(_get(section))
    assert refused.value.status == 431


def test_what_is_known_is_bounded() -> None:
    parser = HeadParser(Limits(field_lines=1000), "here")
    for n in range(2000):
        for section in (b"Cookie: n=%d; %s\r\n" % (n, b"x" * n), b"a: 1\r\n" * (n % 100)):
            for _ in range(3):
                parser.parse(_get(section))
                parser.parse(_get(b"Other: 1\r\n"))
    assert len(heads._SECTIONS) <= 4096
    assert len(heads._HEARD) <= 4096
    assert max(map(len, heads._SECTIONS)) <= 1024
    assert max(len(fixed.lines) for fixed in heads._SECTIONS.values()) <= 32
