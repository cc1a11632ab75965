"""The Vary field (RFC 9110 §12.5.5) and how values of selecting fields compare (RFC 9111 §4.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from proxy.http.fields import Fields

_FREE_TEXT = frozenset((
    b"authorization", b"cookie", b"date", b"from", b"if-modified-since", b"if-unmodified-since", b"origin",
    b"proxy-authorization", b"referer", b"user-agent",
))  # fmt: skip
"""Not lists: a comma in them is a character like others."""


def selecting_fields(response: Fields) -> frozenset[str] | None:
    """The lower-case names a response varies by; None for `*`, which no request matches."""
    value = response.get(b"vary")
    if value is None:
        return frozenset()
    names = frozenset(name.strip(" \t").lower() for name in value.decode("latin-1").split(",")) - {""}
    return None if "*" in names else names


def selecting_value(request: Fields, name: str) -> bytes | None:
    """What a request's field compares by: its lines combined, and without the differences that have no meaning. None
    when it is absent, which matches only absent."""
    key = name.encode("latin-1")
    value = request.get(key)
    if value is None or key in _FREE_TEXT:
        return value
    normalised = _BY_WEIGHT.get(key, _list)
    return normalised(value) if len(value) <= _USUAL_LENGTH else value


_USUAL_LENGTH = 256
"""Clients send few different values, but they may send long ones, which are not worth reading and remembering."""

_usual = lru_cache(maxsize=1024)


_QUOTED = rb'"(?:[^"\\]|\\.)*"'
_BALANCED = re.compile(rb'(?:%s|[^"])*' % _QUOTED, re.DOTALL)
_MEMBER = re.compile(rb'((?:%s|[^",])*)(?:,|\Z)' % _QUOTED, re.DOTALL)


def _members(value: bytes) -> list[bytes] | None:
    """The members of a list, without the whitespace around them, which has no meaning (RFC 9110 §5.6.1); None when
    a quotation in it does not end."""
    if b'"' not in value:
        members = value.split(b",")
    elif _BALANCED.fullmatch(value) is None:
        return None
    else:
        members = _MEMBER.findall(value)
        if not value.endswith(b","):
            members.pop()  # the empty match at the very end
    return [member.strip(b" \t") for member in members]


@_usual
def _list(value: bytes) -> bytes:
    """A field that we do not know: it may be a list, and several lines of it are one."""
    members = _members(value) if b"," in value else None
    return value if members is None else b",".join(members)


_WEIGHT = re.compile(rb"[ \t]*;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\Z", re.IGNORECASE)


def weighted(value: bytes) -> list[tuple[int, bytes]] | None:
    """The members of a list with weights (RFC 9110 §12.4.2), each with thousandths, the greatest first; those of equal
    weight by name, as their order has no meaning that could be relied upon (§12.5.4). None when a quotation does not
    end."""
    members = _members(value)
    if members is None:
        return None
    found = []
    for member in filter(None, members):
        weight = _WEIGHT.search(member)
        if weight is None:
            found.append((1000, member))
        else:
            found.append((round(float(weight[1]) * 1000), member[: weight.start()]))
    return sorted(found, key=lambda each: (-each[0], each[1]))


def _by_weight(value: bytes) -> bytes:
    members = weighted(value)
    return value if members is None else b",".join([b"%s;q=%d" % (name, weight) for weight, name in members])


@_usual
def _without_case(value: bytes) -> bytes:
    return _by_weight(value.lower())


_BY_WEIGHT: dict[bytes, Callable[[bytes], bytes]] = {
    b"accept": _usual(_by_weight),  # parameters of a media type may have values with case
    b"accept-charset": _without_case,
    b"accept-encoding": _without_case,
    b"accept-language": _without_case,
}


def best_language(request: Fields, available: Sequence[str]) -> str | None:
    """The one of these language tags, lower case, that a request prefers; of those it likes as much the first. "" when
    it accepts none of them, None when it does not say."""
    value = request.get(b"accept-language")
    members = weighted(value.lower()) if value is not None else None
    if members is None:
        return None
    best, best_weight = "", 0
    for tag in available:
        weight = _liking(tag, members)
        if weight > best_weight:
            best, best_weight = tag, weight
    return best


def _liking(tag: str, members: list[tuple[int, bytes]]) -> int:
    """The weight of the closest language range (RFC 4647 §3.4: "de-ch" falls back to "de"; a range also covers what is
    more precise)."""
    closest, found = -1, 0
    for weight, name in members:
        wanted = name.decode("latin-1")
        if wanted == "*" or tag == wanted or tag.startswith(f"{wanted}-") or wanted.startswith(f"{tag}-"):
            closeness = 0 if wanted == "*" else 1 + (tag == wanted)
            if closeness > closest or (closeness == closest and weight > found):
                closest, found = closeness, weight
    return found
