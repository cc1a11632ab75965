"""HTTP-date (RFC 9110 §5.6.7): the three formats read, IMF-fixdate written. Seconds since the epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_NUMBER = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}

_CLOCK = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMATS = tuple(
    re.compile(pattern, re.IGNORECASE)  # RFC 9111 §4.2: caches match case-insensitively
    for pattern in (
        # Sun, 06 Nov 1994 08:49:37 GMT
        rb"[a-z]{3}, (?P<day>[0-9]{2}) (?P<month>[a-z]{3}) (?P<year>[0-9]{4}) " + _CLOCK + rb" GMT",
        # Sunday, 06-Nov-94 08:49:37 GMT
        rb"[a-z]{6,9}, (?P<day>[0-9]{2})-(?P<month>[a-z]{3})-(?P<year>[0-9]{2}) " + _CLOCK + rb" GMT",
        # Sun Nov  6 08:49:37 1994
        rb"[a-z]{3} (?P<month>[a-z]{3}) (?P<day>[0-9 ][0-9]) " + _CLOCK + rb" (?P<year>[0-9]{4})",
    )
)


def parse(value: bytes, now: float) -> float | None:
    """The time an HTTP-date names; None when it is not one, which includes any zone but GMT (RFC 9111 §4.2).

    `now` decides the century of a two-digit year.
    """
    for pattern in _FORMATS:
        if found := pattern.fullmatch(value):
            return _time(found, now)
    return None


def _time(found: re.Match[bytes], now: float) -> float | None:
    month = _NUMBER.get(found["month"].lower())
    if month is None:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        year = _century(year, datetime.fromtimestamp(now, UTC).year)
    second = min(int(found["second"]), 59)  # 60 is a leap second, which the epoch does not count
    try:
        when = datetime(year, month, int(found["day"]), int(found["hour"]), int(found["minute"]), second, tzinfo=UTC)
    except ValueError:
        return None
    return when.timestamp()


def _century(two_digits: int, this_year: int) -> int:
    """RFC 9110 §5.6.7: what seems more than 50 years in the future is in the past."""
    year = this_year - this_year % 100 + two_digits
    return year - 100 if year > this_year + 50 else year


def render(when: float) -> bytes:
    """IMF-fixdate of a time."""
    at = datetime.fromtimestamp(when, UTC)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day:02} {month} {at.year:04} {at.hour:02}:{at.minute:02}:{at.second:02} GMT".encode()
