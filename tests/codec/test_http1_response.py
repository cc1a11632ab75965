"""Heads of responses: what is worked out once looks like what is worked out anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.http1_response import encode_head
from proxy.errors import ProxyError
from proxy.http.fields import FixedLines, Line

names = st.sampled_from([b"a", b"date", b"content-length", b"connection", b"te", b"x\r\ny", b"via"])
lines = st.lists(st.tuples(names, st.sampled_from([b"", b"1", b"close", b"a\nb", b"a\0"])), max_size=5)


def encoded(section: list[Line], fixed: FixedLines | None) -> bytes | None:
    try:
        return encode_head(200, section, b"date: now", [b"content-length: 5"], fixed)
    except ProxyError:
        return None


@given(lines, lines, st.booleans())
def test_fixed_lines(stored: list[Line], added: list[Line], changed: bool) -> None:
    fixed = FixedLines(stored)
    section = [*stored, *added]
    if changed and section:
        section = [(b"other", b"1"), *section[1:]]
    for _ in range(2):
        assert encoded(section, fixed) == encoded(section, None)


def test_a_head() -> None:
    fixed = FixedLines([(b"etag", b'"a"'), (b"content-length", b"7"), (b"connection", b"x")])
    expected = b'HTTP/1.1 404 Not Found\r\netag: "a"\r\nage: 1\r\ndate: now\r\ncontent-length: 5\r\n\r\n'
    for _ in range(2):
        section = [*fixed.lines, (b"age", b"1")]
        assert encode_head(404, section, b"date: now", [b"content-length: 5"], fixed) == expected


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_a_line_stays_one(value: bytes) -> None:
    for fixed in (FixedLines([(b"x", value)]), None):
        with pytest.raises(ProxyError, match="CR, LF or NUL"):
            encode_head(200, [(b"x", value)], b"", [], fixed)
