"""Range and If-Range, RFC 9110 §13.1.5 and §14."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http.fields import Fields
from proxy.http.ranges import ContentRange, Unsatisfiable, content_range, requested

NOW = 784112000.0
LATER = b"Sun, 06 Nov 1994 08:49:38 GMT"
MODIFIED = b"Sun, 06 Nov 1994 08:49:37 GMT"


def _requested(value: bytes, length: int = 10) -> list[tuple[int, int]] | None:
    return requested(Fields([(b"range", value)]), Fields(), length, NOW)


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (b"bytes=0-4", [(0, 5)]), (b"bytes=5-", [(5, 10)]), (b"bytes=-3", [(7, 10)]), (b"bytes=-30", [(0, 10)]),
        (b"bytes=9-99", [(9, 10)]), (b"Bytes= 0-0 ", [(0, 1)]), (b"bytes=0-999999999999999999", [(0, 10)]),
        (b"bytes=0-1,3-4", [(0, 2), (3, 5)]), (b"bytes=-1 ,\t0-0", [(9, 10), (0, 1)]), (b"bytes=20-,1-1", [(1, 2)]),
        # §14.2, §17.15: not worth the work
        (b"bytes=0-,0-,0-", None), (b"bytes=0-5,5-9", None), (b"bytes=" + b",".join([b"0-0"] * 17), None),
        (b"bytes=0-1,", None), (b"bytes=0-1,x", None), (b"bytes=-", None), (b"bytes=4-3", None),
        (b"bytes=a-b", None), (b"items=0-1", None),
        (b"bytes=--1", None), (b"bytes 0-1", None), (b"", None), (b"bytes=" + b"9" * 5000 + b"-", None),
    ],
)  # fmt: skip
def test_bounds(value: bytes, bounds: list[tuple[int, int]] | None) -> None:
    assert _requested(value) == bounds


@pytest.mark.parametrize("value", [b"bytes=10-", b"bytes=10-12", b"bytes=-0", b"bytes=10-,-0"])
def test_unsatisfiable(value: bytes) -> None:
    with pytest.raises(Unsatisfiable):
        _requested(value)


@pytest.mark.parametrize("value", [b"bytes=0-", b"bytes=-5"])
def test_of_nothing_no_range_can_be_had(value: bytes) -> None:
    with pytest.raises(Unsatisfiable):
        _requested(value, length=0)


@pytest.mark.parametrize(
    ("condition", "stored", "counts"),
    [
        (b'"a"', [(b"etag", b'"a"')], True), (b'"b"', [(b"etag", b'"a"')], False),
        (b'W/"a"', [(b"etag", b'W/"a"')], False), (b'"a"', [], False),
        (MODIFIED, [(b"last-modified", MODIFIED), (b"date", LATER)], True),
        (MODIFIED, [(b"last-modified", MODIFIED), (b"date", MODIFIED)], False),
        (LATER, [(b"last-modified", MODIFIED), (b"date", LATER)], False), (b"x", [(b"last-modified", b"x")], False),
    ],
)  # fmt: skip
def test_if_range(condition: bytes, stored: list[tuple[bytes, bytes]], counts: bool) -> None:
    asked = Fields([(b"range", b"bytes=0-1"), (b"if-range", condition)])
    assert requested(asked, Fields(stored), 10, NOW) == ([(0, 2)] if counts else None)


@given(st.binary() | st.from_regex(rb"bytes=[0-9]*-[0-9]*(, ?-?[0-9]{1,2}-?)?", fullmatch=True), st.integers(0, 100))
def test_what_is_given_lies_within(value: bytes, length: int) -> None:
    try:
        spans = _requested(value, length)
    except Unsatisfiable:
        return
    assert spans is None or all(0 <= begin < end <= length for begin, end in spans)
    assert spans is None or sum(end - begin for begin, end in spans) <= length


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b"bytes 0-4/10", ContentRange(0, 4, 10)), (b"bytes 9-9/10", ContentRange(9, 9, 10)),
        (b"Bytes 0-4/*", ContentRange(0, 4, None)), (b"bytes 0-10/10", None), (b"bytes 4-3/10", None),
        (b"bytes */10", None), (b"items 0-4/10", None), (b"bytes 0-4", None), (b"bytes=0-4/10", None), (b"", None),
        (b"bytes -1-4/10", None), (b"bytes 0-" + b"9" * 5000 + b"/*", None),
    ],
)  # fmt: skip
def test_content_range(value: bytes, found: ContentRange | None) -> None:
    assert content_range(Fields([(b"content-range", value)])) == found
    assert found is None or bytes(found).lower() == value.lower()
