"""What stages read of a request.

An *observation* is (accessor, argument): `("header", "accept-language")`. Every read that a guest makes goes
through one of the ACCESSORS below, and the same function answers it again later: for a cache that asks whether
another request looks the same, and for a memo that walks the reads of an earlier run.

A cache that stands above a stage is told of the stage's reads, unless what was read no longer is what the cache
saw: a stage in between wrote it. So each request carries, for each cache above it, the Reads of that cache and
the *sources* written since; a read from such a source is not an observation there. A write that depends on the
old value (append) hides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from proxy.exchange.message import Request

Observation = tuple[str, str]
"""(accessor, argument); the argument is "" where the accessor takes none."""

Value = str | tuple[tuple[str, str], ...] | None
"""What an observation yields on a request: hashable, and all of what the guest was shown."""

Source = tuple[str, str]
"""What a read comes from, as far as writes can replace it: ("path", ""), ("header", "cookie"), ("note", "x")."""

Reads = dict[Observation, None]
"""The observations below one cache, in the order they were first made."""

Observers = tuple[tuple[Reads, frozenset[Source]], ...]
"""For each cache above, outermost first: its Reads, and the sources written between it and here."""


def text(value: bytes) -> str:
    """Field bytes as guests see them: UTF-8, what is not becomes U+FFFD."""
    return value.decode("utf-8", "replace")


def _query_param(request: Request, name: str) -> str | None:
    for pair in (request.query or "").split("&"):
        key, _, value = pair.partition("=")
        if unquote_plus(key) == name and pair:
            return unquote_plus(value)
    return None


def _header(request: Request, name: str) -> str | None:
    if name == "host":
        return request.authority
    value = request.fields.get(name.encode())
    return None if value is None else text(value)


def _headers(request: Request, _: str) -> tuple[tuple[str, str], ...]:
    lines = ((text(name), text(value)) for name, value in request.fields.lines)
    return (("host", request.authority), *lines)


def _cookie(request: Request, name: str) -> str | None:
    for line in request.fields.all(b"cookie"):
        for pair in text(line).split(";"):
            key, equals, value = pair.strip(" \t").partition("=")
            if key == name and equals:
                return value.strip(" \t")
    return None


ACCESSORS: dict[str, Callable[[Request, str], Value]] = {
    "method": lambda request, _: request.method,
    "scheme": lambda request, _: request.scheme,
    "authority": lambda request, _: request.authority,
    "path": lambda request, _: request.path,
    "query": lambda request, _: request.query,
    "query-param": _query_param,
    "header": _header,
    "headers": _headers,
    "cookie": _cookie,
    "client-address": lambda request, _: request.exchange.client,
    "note": lambda request, name: request.notes.get(name),
    "unrepeatable": lambda request, _: None,
}
"""By the names of `sluice:filter/request`. Header names are lower case here."""


UNREPEATABLE: Observation = ("unrepeatable", "")
"""Not a read: tells the caches above that what comes of this exchange is an accident (a filter failed and was left
out) and must not be stored."""


def value_of(request: Request, observation: Observation) -> Value:
    """What this observation yields on this request."""
    return ACCESSORS[observation[0]](request, observation[1])


def source_of(observation: Observation) -> Source | None:
    """The source a read comes from. None: from everything, so no write hides it."""
    accessor, argument = observation
    match accessor:
        case "query-param":
            return ("query", "")
        case "cookie":
            return ("header", "cookie")
        case "header" if argument == "host":
            return ("authority", "")
        case "headers":
            return None
        case _:
            return observation


def observed(request: Request, observation: Observation) -> None:
    """Tell the caches above that a stage here read this of the request."""
    for reads, written in request.observers:
        if source_of(observation) not in written:
            reads[observation] = None


def written(request: Request, sources: frozenset[Source]) -> None:
    """Note on a request about to be passed down that these sources no longer are what the caches above saw."""
    request.observers = tuple((reads, hidden | sources) for reads, hidden in request.observers)
