"""Conditional requests, RFC 9110 §13 and RFC 9111 §4.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.conditional import confirms, not_modified, validators, without_content
from proxy.http.fields import Fields

RECEIVED = 784111900.0
OLDER, SAME, NEWER = (b"Sun, 06 Nov 1994 08:49:%d GMT" % second for second in (36, 37, 38))


@pytest.mark.parametrize(
    ("etag", "condition", "matches"),
    [
        (b'"a"', b'"a"', True), (b'W/"a"', b'"a"', True), (b'"a"', b'W/"a"', True), (b'"a"', b'"b" , W/"a"', True),
        (b'"a"', b"*", True), (b'"a"', b'"A"', False), (b'"a"', b"a", False), (b'"a,b"', b'"x", "a,b"', True),
        (b'"a"', b'"b", "c"', False), (b'"a"', b"", False), (b'"\xe9"', b'"\xe9"', True),
    ],
)  # fmt: skip
def test_if_none_match(etag: bytes, condition: bytes, matches: bool) -> None:
    assert not_modified(Fields([(b"if-none-match", condition)]), Fields([(b"etag", etag)]), RECEIVED) == matches


@pytest.mark.parametrize(("since", "matches"), [(OLDER, False), (SAME, True), (NEWER, True), (b"yesterday", False)])
def test_if_modified_since(since: bytes, matches: bool) -> None:
    asked = Fields([(b"if-modified-since", since)])
    assert not_modified(asked, Fields([(b"last-modified", SAME)]), RECEIVED) == matches
    assert not_modified(asked, Fields([(b"date", SAME)]), RECEIVED) == matches  # RFC 9111 §4.3.2


def test_if_none_match_goes_first() -> None:
    asked = Fields([(b"if-none-match", b'"b"'), (b"if-modified-since", NEWER)])
    assert not not_modified(asked, Fields([(b"etag", b'"a"'), (b"last-modified", SAME)]), RECEIVED)


def test_without_conditions_there_is_no_304() -> None:
    assert not not_modified(Fields(), Fields([(b"etag", b'"a"')]), RECEIVED)


def test_validators_of_a_stored_response() -> None:
    stored = Fields([(b"etag", b'"a"'), (b"last-modified", SAME)])
    assert validators(stored) == [(b"if-none-match", b'"a"'), (b"if-modified-since", SAME)]
    assert validators(Fields()) == []


def test_which_304_is_about_a_stored_response() -> None:
    stored = Fields([(b"etag", b'"a"'), (b"last-modified", SAME)])
    assert confirms(stored, Fields())
    assert confirms(stored, Fields([(b"etag", b'W/"a"')]))
    assert confirms(stored, Fields([(b"last-modified", SAME)]))
    assert not confirms(stored, Fields([(b"etag", b'"b"')]))
    assert not confirms(stored, Fields([(b"last-modified", NEWER)]))


def test_a_304_has_no_content_metadata() -> None:
    kept = [(b"content-location", b"/y"), (b"etag", b'"a"'), (b"content-security-policy", b"z")]
    assert without_content([(b"content-type", b"x"), *kept]) == kept


@given(st.binary(), st.binary(), st.binary())
def test_garbage_never_raises(etag: bytes, condition: bytes, since: bytes) -> None:
    asked = Fields([(b"if-none-match", condition), (b"if-modified-since", since)])
    not_modified(asked, Fields([(b"etag", etag), (b"last-modified", since)]), RECEIVED)
    not_modified(Fields(asked.lines[1:]), Fields([(b"last-modified", since)]), RECEIVED)
