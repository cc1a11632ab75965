"""Field lines, and what is known of those that stay."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from proxy.http.fields import Fields, FixedLines, Line

NAMES = [b"a", b"b", b"date"]

names = st.sampled_from(NAMES)
values = st.sampled_from([b"", b"1", b"2"])
lines = st.lists(st.tuples(names, values), max_size=6)
edits = st.lists(
    st.one_of(
        st.builds(lambda name, value: lambda fields: fields.set(name, value), names, values),
        st.builds(lambda name, value: lambda fields: fields.append(name, value), names, values),
        st.builds(lambda name: lambda fields: fields.remove(name), names),
    ),
    max_size=4,
)


def told(fields: Fields) -> object:
    alone = [(fields.get(name), name in fields, fields.all(name), fields.lacks(frozenset((name,)))) for name in NAMES]
    return alone, fields.lacks(frozenset()), fields.lacks(frozenset(NAMES))


@given(lines, edits)
def test_fixed_lines_say_what_others_say_before_and_after_edits(
    given_lines: list[Line], edited: list[Callable[[Fields], None]]
) -> None:
    fixed = FixedLines(list(given_lines))
    known, plain = Fields(fixed), Fields(given_lines)
    assert told(known) == told(plain)
    for edit in edited:
        edit(known)
        edit(plain)
        assert known == plain
        assert told(known) == told(plain)
    assert fixed.lines == given_lines
    assert told(Fields(fixed)) == told(Fields(given_lines))


@given(lines, edits, edits)
def test_what_is_done_to_a_copy_is_done_to_no_other(
    given_lines: list[Line], to_one: list[Callable[[Fields], None]], to_other: list[Callable[[Fields], None]]
) -> None:
    for given_fields in (Fields(given_lines), Fields(FixedLines(list(given_lines)))):
        copies = given_fields.copy(), given_fields.copy()
        alone = Fields(given_lines), Fields(given_lines)
        for n, edited in enumerate((to_one, to_other)):
            for edit in edited:
                edit(copies[n])
                edit(alone[n])
        assert copies == alone
        assert given_fields.lines == given_lines


def test_lines_that_are_there() -> None:
    fixed = FixedLines([(b"date", b"now"), (b"a", b"1"), (b"a", b"2")])
    assert fixed.dated
    assert fixed.names == {b"a", b"date"}
    assert Fields(fixed).get(b"a") == b"1, 2"
    assert not FixedLines([(b"a", b"1")]).dated
