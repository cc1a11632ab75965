"""Responses as header sections: what is worked out once looks like what is worked out anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.section.response import response_lines
from proxy.http.fields import Fields, FixedLines, Line

DATE = (b"date", b"now")

names = st.sampled_from([b"a", b"date", b"content-length", b"connection", b"te", b"via"])
lines = st.lists(st.tuples(names, st.sampled_from([b"", b"1", b"close"])), max_size=5)


def whole(method: str, status: int, fields: Fields, length: int) -> tuple[list[Line], bool]:
    begun, lines, has_body = response_lines(method, status, fields, DATE, length)
    return (lines if begun is None else begun.lines + lines), has_body


def section(all_lines: list[Line], method: str, fixed: FixedLines | None) -> tuple[list[Line], bool]:
    fields = Fields(all_lines)
    fields.fixed = fixed
    return whole(method, 200, fields, 5)


@given(lines, lines, st.booleans(), st.sampled_from(["GET", "HEAD"]))
def test_fixed_lines(stored: list[Line], added: list[Line], changed: bool, method: str) -> None:
    fixed = FixedLines(stored)
    own = [*stored, *added]
    if changed and own:
        own = [(b"other", b"1"), *own[1:]]
    for _ in range(2):
        assert section(own, method, fixed) == section(own, method, None)


def test_a_section() -> None:
    fixed = FixedLines([(b"etag", b'"a"'), (b"content-length", b"7"), (b"connection", b"x")])
    fields = Fields(fixed)
    fields.lines = [*fixed.lines, (b"age", b"1"), (b"te", b"trailers")]
    expected = [(b":status", b"404"), (b"etag", b'"a"'), (b"age", b"1"), DATE, (b"content-length", b"5")]
    assert whole("GET", 404, fields, 5) == (expected, True)
    assert whole("GET", 204, fields, 0)[1] is False
