"""Conditional requests (RFC 9110 §13), as far as a cache evaluates and makes them (RFC 9111 §4.3)."""

from __future__ import annotations

import re

from proxy.http import dates
from proxy.http.fields import Fields, Line

_ABOUT_CONTENT = frozenset((
    b"content-digest", b"content-disposition", b"content-encoding", b"content-language", b"content-length",
    b"content-md5", b"content-range", b"content-type",
))  # fmt: skip

_ENTITY_TAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def _opaque(tag: bytes) -> bytes:
    return tag.removeprefix(b"W/")


def same_entity(a: bytes, b: bytes) -> bool:
    """Weak comparison of two entity tags (RFC 9110 §8.8.3.2)."""
    return _opaque(a) == _opaque(b)


def not_modified(request: Fields, stored: Fields, received: float) -> bool:
    """Whether a stored 200 answers a GET or HEAD with 304 (RFC 9111 §4.3.2).

    received: when the stored response came, which stands in for a missing Last-Modified and Date.
    """
    if (wanted := request.get(b"if-none-match")) is not None:  # goes before If-Modified-Since: RFC 9110 §13.2.2
        if wanted == b"*":
            return True
        etag = stored.get(b"etag")
        return etag is not None and any(same_entity(etag, tag) for tag in _ENTITY_TAG.findall(wanted))
    if (value := request.get(b"if-modified-since")) is None:
        return False
    since = dates.parse(value, received)
    if since is None:  # RFC 9110 §13.1.3: not a date, not a condition
        return False
    modified = stored.get(b"last-modified") or stored.get(b"date")
    when = dates.parse(modified, received) if modified else None
    return (received if when is None else when) <= since


def validators(stored: Fields) -> list[Line]:
    """The fields that ask whether a stored response is still good (RFC 9111 §4.3.1); none when it has no validator."""
    asking = ((b"if-none-match", b"etag"), (b"if-modified-since", b"last-modified"))
    return [(condition, value) for condition, name in asking if (value := stored.get(name))]


def confirms(stored: Fields, answer: Fields) -> bool:
    """Whether a 304 is about this stored response (RFC 9111 §4.3.4): the validators it gives are its own."""
    if (etag := answer.get(b"etag")) is not None:
        own = stored.get(b"etag")
        return own is not None and same_entity(own, etag)
    modified = answer.get(b"last-modified")
    return modified is None or modified == stored.get(b"last-modified")


def describes(stored: Fields, answer: Fields) -> bool:
    """Whether a 200 for HEAD is about this stored response (RFC 9111 §4.3.5): what it says of its length and validators
    is the same."""
    names = (b"content-length", b"etag", b"last-modified")
    return all(value is None or value == stored.get(name) for name in names for value in (answer.get(name),))


def without_content(lines: list[Line]) -> list[Line]:
    """The lines a 304 repeats of the 200 it stands for: nothing about a content it does not send (RFC 9110 §15.4.5)."""
    return [line for line in lines if line[0] not in _ABOUT_CONTENT]
