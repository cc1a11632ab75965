"""Vary, RFC 9110 §12.5.5 and RFC 9111 §4.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.fields import Fields
from proxy.http.vary import selecting_fields, selecting_value


@pytest.mark.parametrize(
    ("vary", "names"),
    [
        ([], {}), ([b""], {}), ([b"Accept"], {"accept"}), ([b"a, B ,", b"c"], {"a", "b", "c"}),
        ([b"*"], None), ([b"a, *"], None), ([b"a", b" * "], None),
    ],
)  # fmt: skip
def test_names(vary: list[bytes], names: set[str] | None) -> None:
    assert selecting_fields(Fields([(b"vary", value) for value in vary])) == (None if names is None else set(names))


def _same(name: bytes, one: list[bytes], other: list[bytes]) -> bool:
    key = name.decode()
    first, second = (Fields([(name, value) for value in values]) for values in (one, other))
    return selecting_value(first, key) == selecting_value(second, key)


def test_how_values_compare() -> None:
    assert _same(b"accept-encoding", [b"gzip, BR"], [b"GZIP", b"br"])
    assert _same(b"accept-language", [b"en,de"], [b"en ,\tDE,"])
    assert not _same(b"accept-encoding", [b"gzip, br"], [b"br, gzip"])
    assert not _same(b"accept-encoding", [b""], [])
    assert not _same(b"x-any", [b"A"], [b"a"])
    assert _same(b"x-any", [b"a, b"], [b"a", b"b"])
    assert not _same(b"x-any", [b"\xff"], [b"\xfe"])


@given(st.binary(max_size=300))
def test_long_and_short_values_compare_alike(value: bytes) -> None:
    assert _same(b"accept-encoding", [value], [value + b" , "])
