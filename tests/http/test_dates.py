"""HTTP-date, RFC 9110 §5.6.7."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.http import dates

NOW = 1_700_000_000.0
EXAMPLE = 784111777.0


@pytest.mark.parametrize(
    "value",
    [
        b"Sun, 06 Nov 1994 08:49:37 GMT",
        b"Sunday, 06-Nov-94 08:49:37 GMT",
        b"Sun Nov  6 08:49:37 1994",
        b"sun, 06 nov 1994 08:49:37 gmt",
    ],
)
def test_the_three_formats(value: bytes) -> None:
    assert dates.parse(value, NOW) == EXAMPLE


@pytest.mark.parametrize(
    "value",
    [
        b"", b"0", b"-1", b"tomorrow", b"Sun, 06 Nov 1994 08:49:37", b"Sun, 06 Nov 1994 08:49:37 PST",
        b"Sun, 06 Nov 1994 08:49:37 +0000", b"Sun, 31 Feb 1994 08:49:37 GMT", b"Sun, 06 Nob 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:49:37 GMT", b"Sun, 06 Nov 0000 08:49:37 GMT", b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov ١٩٩٤ 08:49:37 GMT".encode(),
    ],
)  # fmt: skip
def test_all_else_is_no_date(value: bytes) -> None:
    assert dates.parse(value, NOW) is None


def test_a_two_digit_year_far_in_the_future_is_in_the_past() -> None:
    assert dates.parse(b"Wednesday, 01-Jan-70 00:00:00 GMT", NOW) == dates.parse(b"Wed, 01 Jan 2070 00:00:00 GMT", NOW)
    assert dates.parse(b"Tuesday, 01-Jan-74 00:00:00 GMT", NOW) == dates.parse(b"Tue, 01 Jan 1974 00:00:00 GMT", NOW)


def test_a_leap_second_is_the_second_before() -> None:
    assert dates.parse(b"Sat, 31 Dec 2016 23:59:60 GMT", NOW) == dates.parse(b"Sat, 31 Dec 2016 23:59:59 GMT", NOW)


@given(st.integers(0, 253402300799))
def test_what_is_written_reads_back(when: int) -> None:
    assert dates.parse(dates.render(when), NOW) == when


@given(st.binary() | st.text().map(str.encode))
def test_garbage_never_raises(value: bytes) -> None:
    dates.parse(value, NOW)
