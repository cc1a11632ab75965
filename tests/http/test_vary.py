"""Vary, RFC 9110 §12.5.5 and RFC 9111 §4.1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.fields import Fields
from proxy.http.vary import best_language, selecting_fields, selecting_value


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


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        (b"accept-encoding", [b"gzip, BR"], [b"GZIP", b"br"]), (b"accept-encoding", [b"gzip, br"], [b"br, gzip"]),
        (b"accept-language", [b"en,de"], [b"de ,\tEN,"]), (b"accept-language", [b"en"], [b"en;q=1.000"]),
        (b"accept-language", [b"en;q=0.5, de"], [b"DE; Q=1, en ; q=0.500"]),
        (b"accept", [b"text/html;q=0.8, */*"], [b"*/*,text/html ;q=0.80"]),
        (b"x-any", [b"a, b"], [b"a", b"b"]), (b"x-any", [b"1,2"], [b"1 ,\t2"]),
        (b"x-any", [b'"a, b",c'], [b'"a, b" , c']),
    ],
)  # fmt: skip
def test_same(name: bytes, one: list[bytes], other: list[bytes]) -> None:
    assert _same(name, one, other)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        (b"accept-encoding", [b""], []), (b"accept-encoding", [b"gzip;q=0, br"], [b"gzip, br"]),
        (b"accept-language", [b"en;q=0.5, de;q=0.4"], [b"en;q=0.4, de;q=0.5"]),
        (b"accept-language", [b"en;q=2"], [b"en"]), (b"accept", [b'a/b;c="D"'], [b'a/b;c="d"']),
        (b"x-any", [b"A"], [b"a"]), (b"x-any", [b"a,b"], [b"b,a"]), (b"x-any", [b"a,,b"], [b"a,b"]),
        (b"x-any", [b'"a, b"'], [b'"a,b"']), (b"x-any", [b'"a, b'], [b'"a,b']),
        (b"x-any", [b"\xff"], [b"\xfe"]), (b"x-any", [b"a b"], [b"a  b"]),
        (b"user-agent", [b"A (b, c)"], [b"A (b,c)"]), (b"cookie", [b"a=1, b"], [b"a=1,b"]),
    ],
)  # fmt: skip
def test_not_same(name: bytes, one: list[bytes], other: list[bytes]) -> None:
    assert not _same(name, one, other)


members = st.lists(st.sampled_from([b"a", b"b;q=0.5", b'"x, y"', b"c d", b""]), min_size=1, max_size=5)


@given(members, st.sampled_from([b",", b", ", b"\t,  "]))
def test_whitespace_around_commas_has_no_meaning(values: list[bytes], comma: bytes) -> None:
    for name in (b"x-any", b"accept", b"accept-language"):
        assert _same(name, [comma.join(values)], [b",".join(values)])


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_garbage_compares_without_raising(one: bytes, other: bytes) -> None:
    for name in (b"x-any", b"accept-language"):
        assert _same(name, [one], [one])
        _same(name, [one], [other])


@pytest.mark.parametrize(
    ("accepted", "best"),
    [
        (b"en, de", "de"), (b"fr;q=0.5, de;q=1.0", "de"), (b"EN", "en"), (b"en-GB, de;q=0.9", "en"),
        (b"fr-CH, en;q=0.1", "en"), (b"fr", ""), (b"*", "de"), (b"de;q=0, *", "en"), (b"pt-BR", "pt-br"),
        (b"pt", "pt-br"), (b"", ""), (b"de;q=0", ""), (None, None),
    ],
)  # fmt: skip
def test_the_best_of_the_languages_there_are(accepted: bytes | None, best: str | None) -> None:
    request = Fields([] if accepted is None else [(b"accept-language", accepted)])
    assert best_language(request, ["de", "en", "pt-br"]) == best
