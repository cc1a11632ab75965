"""What a cache does with a request: decided from what is stored, before anything happens."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

from proxy.cache.entry import Entry, Variants
from proxy.cache.policy import Reuse, reuse
from proxy.cache.status import Forward
from proxy.exchange import Request
from proxy.http.cache_control import Directives

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 §9.2.1. Every other method, known or not, invalidates."""

CONDITIONS = frozenset((b"if-none-match", b"if-modified-since"))
"""What a cache evaluates on what it has stored (RFC 9111 §4.3.2)."""

PRECONDITIONS = frozenset((b"if-match", b"if-unmodified-since"))
"""What only the origin can evaluate."""

_SPECIAL = CONDITIONS | PRECONDITIONS | {b"cache-control", b"pragma", b"range"}

_NAME = itemgetter(0)


def is_plain(request: Request) -> bool:
    """The request has no field that a cache must look at: any fresh entry answers it as it is."""
    return _SPECIAL.isdisjoint(map(_NAME, request.fields.lines))


@dataclass(frozen=True, slots=True)
class Decision:
    """entry: what was selected, if anything. forward: why the request goes below; None when the entry answers it.
    reason: for people. refresh: the entry answers while a newer one is fetched."""

    entry: Entry | None
    forward: Forward | None
    reason: str
    refresh: bool = False


def bypass(request: Request) -> str | None:
    """Why a request cannot be answered from a cache at all; a token."""
    if request.method not in ("GET", "HEAD"):
        return "method"
    if request.body != b"":
        return "request-body"
    return None if PRECONDITIONS.isdisjoint(map(_NAME, request.fields.lines)) else "precondition"


def decide(variants: Variants | None, request: Request, place: str, wishes: Directives, now: float) -> Decision:
    """What a request that needs no bypass gets, at this place, of the variants stored under its key. wishes: its
    directives."""
    if variants is None or not variants.has(place):
        return Decision(None, Forward.URI_MISS, "nothing is stored under this key")
    entry = variants.match(request, place)
    if entry is None:
        return Decision(None, Forward.VARY_MISS, "no stored variant has the same selecting values")
    verdict = reuse(entry.terms, wishes, now)
    if verdict.allowed:
        return Decision(entry, None, verdict.value, verdict is Reuse.WHILE_REVALIDATE)
    # RFC 9211 §2.2: "request" is for a fresh response that the request did not allow to be used.
    fresh = now < entry.fresh_until
    return Decision(entry, Forward.REQUEST if fresh else Forward.STALE, verdict.value)


def may_collapse(wishes: Directives) -> bool:
    """Whether an answer that another request is bringing would do: not for one that wants a newer one."""
    return wishes.keys().isdisjoint(("no-cache", "no-store", "max-age", "min-fresh"))
