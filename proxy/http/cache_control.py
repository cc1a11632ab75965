"""The Cache-Control field (RFC 9111 §5.2), and the numbers caches read from fields."""

from __future__ import annotations

import re

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


class Directives:
    """The directives of a message: name, lower case, to argument, unquoted; b"" without one.

    Of a directive that is repeated the first counts (RFC 9111 §4.2.1).
    """

    __slots__ = ("_arguments",)

    def __init__(self, value: bytes | None) -> None:
        self._arguments: dict[str, bytes] = {}
        if value is None:
            return
        for member in _MEMBER.finditer(value):
            if (name := member["name"]) is not None:
                quoted, plain = member["quoted"], member["plain"]
                argument = re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL) if quoted is not None else (plain or b"")
                self._arguments.setdefault(name.decode("latin-1").lower(), argument.strip(b" \t"))

    def __contains__(self, name: str) -> bool:
        return name in self._arguments

    def __bool__(self) -> bool:
        return bool(self._arguments)

    def seconds(self, name: str) -> int | None:
        """None when the directive is not there. One that is not a number of seconds counts as 0, so that a
        response with invalid freshness is stale (RFC 9111 §4.2.1) and a request for it gets the careful answer."""
        argument = self._arguments.get(name)
        if argument is None:
            return None
        return delta_seconds(argument) or 0

    def has_argument(self, name: str) -> bool:
        return bool(self._arguments.get(name))


def directives(fields: Fields) -> Directives:
    return Directives(fields.get(b"cache-control"))


def wishes(request: Fields) -> Directives:
    """What a request asks of caches. `Pragma: no-cache` counts where there is no Cache-Control (RFC 9111 §5.4)."""
    value = request.get(b"cache-control")
    if value is None and b"no-cache" in (request.get(b"pragma") or b"").lower():
        value = b"no-cache"
    return Directives(value)


def age_value(fields: Fields) -> int:
    """The Age field, 0 when there is none. What is not one number counts as FOREVER: RFC 9111 §5.1 would rather have
    it ignored, or the first of several used; but then what may be old passes for new."""
    value = fields.get(b"age")
    if value is None:
        return 0
    age = delta_seconds(value)
    return FOREVER if age is None else age
