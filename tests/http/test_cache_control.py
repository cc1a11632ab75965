"""Cache-Control, RFC 9111 §5.2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.cache_control import FOREVER, Directives, age_value, delta_seconds, wishes
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
    [(b"7", 7), *((odd, FOREVER) for odd in (b"7, 9", b"0, 0", b"-7", b"x", b"1.5", b"", b"7;a=b", b"9" * 40))],
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
