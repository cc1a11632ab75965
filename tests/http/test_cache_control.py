"""Cache-Control, RFC 9111 §5.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.cache_control import (
    FOREVER,
    SURROGATE_CONTROL,
    Directives,
    age_value,
    delta_seconds,
    targeted,
    wishes,
)
from proxy.http.fields import Fields


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"max-age=5", 5), (b"MAX-AGE=5", 5), (b'max-age="5"', 5), (b"public , max-age=5 ", 5), (b"max-age= 5", 5),
        (b"max-age=5, max-age=9", 5), (b",,max-age=5,,", 5), (b'x="a, max-age=1", max-age=5', 5),
        (b'x="\\", max-age=1", max-age=5', 5), (b"max-age=99999999999999999999", FOREVER), (b"max-age=0005", 5),
        (b"no-cache", None), (b"", None), (b"x-max-age=5", None),
    ],
)  # fmt: skip
def test_seconds(value: bytes, seconds: int | None) -> None:
    assert Directives(value).seconds("max-age") == seconds


@pytest.mark.parametrize("argument", [b"", b"=", b"=-1", b"=1.5", b"=five", b"=5s", b"='5'", b'="5', b"=\xd9\xa5"])
def test_a_number_that_is_none_counts_as_0(argument: bytes) -> None:
    assert Directives(b"max-age" + argument).seconds("max-age") == 0


def test_an_open_quote_hides_nothing() -> None:
    said = Directives(b'private="x, no-store')
    assert "private" in said
    assert "no-store" in said


def test_quoted_commas_are_no_separators() -> None:
    assert "no-store" not in Directives(b'private="x, no-store"')


def test_pragma_counts_only_without_cache_control() -> None:
    assert "no-cache" in wishes(Fields([(b"pragma", b"No-Cache")]))
    assert "no-cache" not in wishes(Fields([(b"pragma", b"no-cache"), (b"cache-control", b"max-age=5")]))


@pytest.mark.parametrize(
    ("value", "age"),
    [
        (b"7", 7),
        (b"9" * 40, FOREVER),
        (b"7, 9", 7),
        (b"9, 7", 9),
        *((odd, 0) for odd in (b"0, 0", b"-7", b"x", b"1.5", b"", b"7;a=b", b",7")),
    ],
)
def test_age(value: bytes, age: int) -> None:
    assert age_value(Fields([(b"age", value)])) == age
    assert age_value(Fields()) == 0


@given(st.binary(max_size=200) | st.text(alphabet='max-ge=0123456789,"\\ \tnsor', max_size=200).map(str.encode))
def test_garbage_never_raises(value: bytes) -> None:
    said = Directives(value)
    assert (said.seconds("max-age") or 0) >= 0
    delta_seconds(value)


@given(st.dictionaries(st.sampled_from(["max-age", "s-maxage", "x", "no-cache"]), st.binary(max_size=20)))
def test_a_quoted_argument_is_read_as_it_is(directives: dict[str, bytes]) -> None:
    quoted = {name: a.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for name, a in directives.items()}
    said = Directives(b", ".join(name.encode() + b'="' + argument + b'"' for name, argument in quoted.items()))
    assert said == {name: argument.strip(b" \t") for name, argument in directives.items()}


def _targeted(value: str, names: tuple[bytes, ...] = (b"cdn-cache-control",)) -> Directives | None:
    return targeted(Fields([(names[0], value.encode())]), names)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("max-age=60, no-store;x=1, foo=?0", {"max-age": b"60", "no-store": b""}),
        ("max-age=99999999999", {"max-age": b"99999999999"}),
        ('private="a, b", x=tok', {"private": b"a, b", "x": b"tok"}),
        # RFC 9213 §2.1: only an Integer is consumed, and what is not does not make it go away
        ('max-age="60"', {}), ("max-age=60.5", {}), ("max-age", {}), ("max-age=(1 2)", {}), ("none", {"none": b""}),
    ],
)  # fmt: skip
def test_a_targeted_field(value: str, said: dict[str, bytes]) -> None:
    assert _targeted(value) == said


@pytest.mark.parametrize("value", ["", "max-age=60, &&&", "max-age =60", "MAX-AGE=60", "a,", '"', "\x7f"])
def test_a_targeted_field_that_does_not_parse_is_not_there(value: str) -> None:
    assert _targeted(value) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Max-Age=60, x", {"max-age": b"60", "x": b""}), ("max-age=60;sluicegate", {"max-age": b"60"}),
        ("max-age=60;another, no-store", {"no-store": b""}), ("no-store;another", None), ("", None),
    ],
)  # fmt: skip
def test_surrogate_control(value: str, said: dict[str, bytes] | None) -> None:
    assert _targeted(value, (b"surrogate-control",)) == said


def test_the_first_field_of_the_target_list_that_is_valid_counts() -> None:
    response = Fields([(b"a", b"&"), (b"b", b"max-age=1"), (b"c", b"max-age=2"), (b"cache-control", b"no-store")])
    assert targeted(response, (b"x", b"a", b"c", b"b")) == {"max-age": b"2"}
    assert targeted(response, (b"x", b"a")) is None


@given(st.binary(max_size=40))
def test_no_targeted_field_raises(value: bytes) -> None:
    for name in (b"a", SURROGATE_CONTROL):
        targeted(Fields([(name, value)]), (name,))
