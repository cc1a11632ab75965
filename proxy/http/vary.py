"""The Vary field (RFC 9110 §12.5.5) and how values of selecting fields compare (RFC 9111 §4.1)."""

from __future__ import annotations

from functools import lru_cache

from proxy.http.fields import Fields

_LISTS_WITHOUT_CASE = frozenset({b"accept-encoding", b"accept-language", b"accept-charset"})


def selecting_fields(response: Fields) -> frozenset[str] | None:
    """The lower-case names a response varies by; None for `*`, which no request matches."""
    value = response.get(b"vary")
    if value is None:
        return frozenset()
    names = frozenset(name.strip(" \t").lower() for name in value.decode("latin-1").split(",")) - {""}
    return None if "*" in names else names


def selecting_value(request: Fields, name: str) -> bytes | None:
    """What a request's field compares by: its lines combined, and where its meaning allows, without
    differences of whitespace and case. None when it is absent, which matches only absent."""
    key = name.encode("latin-1")
    value = request.get(key)
    if value is None or key not in _LISTS_WITHOUT_CASE:
        return value
    return _usual(value) if len(value) <= _USUAL_LENGTH else _normalised(value)


def _normalised(value: bytes) -> bytes:
    members = (member.strip(b" \t") for member in value.lower().split(b","))
    return b",".join(member for member in members if member)


_USUAL_LENGTH = 128
_usual = lru_cache(maxsize=1024)(_normalised)
"""Clients send few different values, but they may send long ones, which are not worth remembering."""
