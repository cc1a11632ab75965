"""The Cache-Control field (RFC 9111 §5.2) and those that stand in for it (RFC 9213), and the numbers caches read from
fields."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from proxy.http.fields import Fields
from proxy.http.structured import Token, dictionary

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


SURROGATE_CONTROL = b"surrogate-control"
DEVICE = b"sluicegate"
"""What a Surrogate-Control directive that is meant for us alone has as its parameter."""
SURROGATE_CAPABILITY = DEVICE + b'="Surrogate/1.0"'
"""How a request tells the origin that it may say so."""


def targeted(response: Fields, names: Iterable[bytes]) -> Directives | None:
    """What the first of these fields that is there, not empty and valid says (RFC 9213 §2.2); it then stands in for
    Cache-Control and Expires. None when there is none."""
    for name in names:
        value = response.get(name)
        if value is not None:
            said = _surrogate(value) if name == SURROGATE_CONTROL else _targeted(value)
            if said is not None:
                return said
    return None


def _targeted(value: bytes) -> Directives | None:
    members = dictionary(value)
    if not members:
        return None
    said = Directives(None)
    for name, item in members.items():
        if (argument := _argument(item)) is not None and (name not in _SECONDS or type(item) is int):
            said[name] = argument
    return said


_SECONDS = frozenset(("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"))
"""RFC 9213 §2.1: of these only an Integer is consumed."""


def _argument(item: object) -> bytes | None:
    if isinstance(item, bool):
        return b"" if item else None
    if isinstance(item, int):
        return b"%d" % item
    return str(item).encode("latin-1", "replace") if isinstance(item, str | Token) else None


def _surrogate(value: bytes) -> Directives | None:
    """Surrogate-Control (the W3C note "Edge Architecture Specification"): Cache-Control's grammar, and a directive with
    a parameter is for the device that it names."""
    said = Directives(None)
    for name, argument in Directives(value).items():
        directive, _, device = (argument or name.encode("latin-1")).partition(b";")
        if device in (b"", DEVICE):
            said[name.partition(";")[0]] = directive if argument else b""
    return said or None


def age_value(fields: Fields) -> int:
    """The Age field, 0 when there is none: the first member of a list, and what is not a number does not count
    (RFC 9111 §5.1)."""
    value = fields.get(b"age")
    return delta_seconds(value.partition(b",")[0].strip(b" \t")) or 0 if value is not None else 0
