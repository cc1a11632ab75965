"""The Cache-Control field (RFC 9111 §5.2), and the numbers caches read from fields."""

from __future__ import annotations

import re
from functools import lru_cache

from proxy.http.fields import Fields

FOREVER = 2**31
"""What a delta-seconds too large to represent counts as (RFC 9111 §1.2.2)."""

_MEMBER = re.compile(
    rb"""[ \t]*(?P<name>[^=,\s"]+)(?:=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>[^,]*)))?[^,]*(?:,|\Z)"""
    rb"""|[^,]*(?:,|\Z)""",  # not a directive
    re.DOTALL,
)


def delta_seconds(value: bytes) -> int | None:
    """A non-negative integer of seconds (RFC 9111 §1.2.2), None when it is something else."""
    if not value.isdigit():
        return None
    return FOREVER if len(value) > 10 else min(int(value), FOREVER)


class Directives(dict[str, bytes]):
    """The directives of a message: name, lower case, to argument, unquoted; b"" without one. Not to be changed.

    Of a directive that is repeated the first counts (RFC 9111 §4.2.1).
    """

    def __init__(self, value: bytes | None) -> None:
        for member in _MEMBER.finditer(value or b""):
            if (name := member["name"]) is not None:
                quoted, plain = member["quoted"], member["plain"]
                argument = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if quoted is not None else (plain or b"")
                self.setdefault(name.decode("latin-1").lower(), argument.strip(b" \t"))

    def seconds(self, name: str) -> int | None:
        """None when the directive is not there. One that is not a number of seconds counts as 0, so that a
        response with invalid freshness is stale (RFC 9111 §4.2.1) and a request for it gets the careful answer."""
        argument = self.get(name)
        if argument is None:
            return None
        return delta_seconds(argument) or 0


_USUAL_LENGTH = 128
_usual = lru_cache(maxsize=1024)(Directives)
"""Few different values are in use, but they may be long, and those are not worth remembering."""


def directives(fields: Fields) -> Directives:
    """What the Cache-Control of a message says."""
    return _read(fields.get(b"cache-control"))


def _read(value: bytes | None) -> Directives:
    return _usual(value) if value is None or len(value) <= _USUAL_LENGTH else Directives(value)


def wishes(request: Fields) -> Directives:
    """What a request asks of caches. `Pragma: no-cache` counts where there is no Cache-Control (RFC 9111 §5.4)."""
    value = request.get(b"cache-control")
    if value is None and b"no-cache" in (request.get(b"pragma") or b"").lower():
        value = b"no-cache"
    return _read(value)


def age_value(fields: Fields) -> int:
    """The Age field, 0 when there is none. What is not one number counts as FOREVER: RFC 9111 §5.1 would rather have
    it ignored, or the first of several used; but then what may be old passes for new."""
    value = fields.get(b"age")
    if value is None:
        return 0
    age = delta_seconds(value)
    return FOREVER if age is None else age
