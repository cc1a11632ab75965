"""Field lines that were seen before say the same as when they were new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.known_lines import KnownLines, NotPlain

SPECIAL = frozenset((b"content-length", b"connection"))

WRONG = {
    "no colon": b"accept",
    "no name": b": text/html",
    "space before the colon": b"accept : text/html",
    "folded": b" text/html",
    "line feed": b"accept: a\nb: c",
    "carriage return": b"accept: a\rb",
    "NUL": b"accept: \0",
    "DEL": b"accept: \x7f",
    "empty": b"",
    "special": b"Content-Length: 1",
    "an option beside keep-alive": b"Connection: keep-alive, close",
}


@pytest.mark.parametrize("line", WRONG.values(), ids=WRONG)
def test_what_is_not_plain_is_refused_as_often_as_it_is_said(line: bytes) -> None:
    lines = KnownLines(SPECIAL)
    for _ in range(2):
        with pytest.raises(NotPlain):
            lines.parse([b"accept: a", line])


@pytest.mark.parametrize("line", [b"Accept: a", b"ACCEPT:a", b"accept:\t a \t"])
def test_name_in_lower_case_and_value_without_the_space_around_it(line: bytes) -> None:
    lines = KnownLines(SPECIAL)
    assert lines.parse([line]) == lines.parse([line]) == [(b"accept", b"a")]


@pytest.mark.parametrize("line", [b"Connection: keep-alive", b"connection:Keep-Alive", b"Keep-Alive: timeout=5"])
def test_that_a_connection_stays_is_left_out(line: bytes) -> None:
    lines = KnownLines(SPECIAL)
    assert (
        lines.parse([b"a: 1", line, b"b: 2"]) == lines.parse([b"a: 1", line, b"b: 2"]) == [(b"a", b"1"), (b"b", b"2")]
    )


def test_memory_is_bounded() -> None:
    lines = KnownLines(SPECIAL)
    for number in range(10_000):
        assert lines.parse([b"x: %d" % number]) == [(b"x", b"%d" % number)]
        assert lines.parse([b"x-%d: 1" % number]) == [(b"x-%d" % number, b"1")]
    lines.parse([b"cookie: " + b"x" * 100_000])
    lines.parse([b"x" * 100_000 + b": 1"])
    assert len(lines) <= 4096
    assert len(lines._names) <= 1024
    assert max(map(len, lines._names)) <= 64


@given(st.binary(max_size=12))
def test_values_are_of_visible_characters_spaces_and_tabs(value: bytes) -> None:
    lines = KnownLines(SPECIAL)
    if any((byte < 0x20 and byte != 9) or byte == 0x7F for byte in value):
        with pytest.raises(NotPlain):
            lines.parse([b"x:" + value])
    else:
        assert lines.parse([b"x:" + value]) == [(b"x", value.strip(b" \t"))]


@given(st.lists(st.binary(max_size=12).map(lambda tail: b"x" + tail), max_size=8))
def test_the_second_time_is_as_the_first(section: list[bytes]) -> None:
    def said(lines: KnownLines) -> object:
        try:
            return lines.parse(section)
        except NotPlain:
            return None

    lines = KnownLines(SPECIAL)
    first = said(lines)
    assert said(lines) == first
