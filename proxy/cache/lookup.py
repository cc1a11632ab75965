"""What a cache does with a request: decided from what is stored, before anything happens."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.cache.entry import Entry, Variants
from proxy.cache.partial import missing, part, pieces
from proxy.cache.policy import Refusal, Reuse, reuse
from proxy.cache.status import Forward
from proxy.exchange import Request
from proxy.exchange.observation import observed, value_of
from proxy.http import ranges
from proxy.http.cache_control import Directives
from proxy.http.fields import Line

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 §9.2.1. Every other method, known or not, invalidates."""

CONDITIONS = frozenset((b"if-none-match", b"if-modified-since"))
"""What a cache evaluates on what it has stored (RFC 9111 §4.3.2)."""

PRECONDITIONS = frozenset((b"if-match", b"if-unmodified-since"))
"""What only the origin can evaluate."""

_SPECIAL = CONDITIONS | PRECONDITIONS | {b"cache-control", b"pragma", b"range"}


def is_plain(request: Request) -> bool:
    """The request has no field that a cache must look at: any fresh entry answers it as it is."""
    return request.fields.lacks(_SPECIAL)


@dataclass(frozen=True, slots=True)
class Decision:
    """entry: what was selected, if anything. forward: why the request goes below; None when the entry answers it.
    reason: for people. refresh: the entry answers while a newer one is fetched."""

    entry: Entry | None
    forward: Forward | None
    reason: str
    refresh: bool = False


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Requests that a cache has no part in: those with one of these cookies or fields (lower case)."""

    cookies: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()

    def cover(self, request: Request) -> bool:
        """Reads the request as a stage below would, so that the caches above tell these requests apart too."""
        reads = [*(("cookie", name) for name in self.cookies), *(("header", name) for name in self.headers)]
        for read in reads:
            observed(request, read)
        return any(value_of(request, read) is not None for read in reads)


NO_EXCEPTIONS = Exceptions()


def bypass(request: Request) -> str | None:
    """Why a request cannot be answered from a cache at all; a token."""
    if request.method not in ("GET", "HEAD"):
        return "method"
    if request.body != b"":
        return "request-body"
    return None if request.fields.lacks(PRECONDITIONS) else "precondition"


def decide(variants: Variants | None, request: Request, place: str, wishes: Directives, now: float) -> Decision:
    """What a request that needs no bypass gets, at this place, of the variants stored under its key. wishes: its
    directives."""
    if variants is None or not variants.has(place):
        return Decision(None, Forward.URI_MISS, "nothing is stored under this key")
    entry = variants.match(request, place)
    if entry is None:
        return Decision(None, Forward.VARY_MISS, "no stored variant has the same selecting values")
    if entry.status == 206 and not _has(entry, request, now):
        return Decision(entry, Forward.PARTIAL, "only another part is stored")
    verdict = reuse(entry.terms, wishes, now)
    if verdict.allowed:
        return Decision(entry, None, verdict.value, verdict is Reuse.WHILE_REVALIDATE)
    # RFC 9211 §2.2: "request" is for a fresh response that the request did not allow to be used.
    fresh = now < entry.terms.fresh_until
    return Decision(entry, Forward.REQUEST if fresh else Forward.STALE, verdict.value)


def _has(entry: Entry, request: Request, now: float) -> bool:
    """A stored part has all that is asked for."""
    held = part(entry.lines, entry.body)
    return held is not None and pieces(held, request, now) is not None


def may_collapse(wishes: Directives) -> bool:
    """Whether an answer that another request is bringing would do: not for one that wants a newer one."""
    return wishes.keys().isdisjoint(("no-cache", "no-store", "max-age", "min-fresh"))


def unstorable(request: Request, wishes: Directives) -> str | None:
    """Why a request that must go below brings nothing for the store: it goes as it is. A token."""
    if "no-store" in wishes:  # RFC 9111 §5.2.1.5
        return Refusal.REQUEST_NO_STORE.value
    wanted = request.fields.get(b"range")
    several = wanted is not None and len(ranges.parse(wanted) or ()) != 1
    return "range" if several else None


def rest_of(entry: Entry) -> list[Line]:
    """The fields that ask for what a stored part lacks."""
    found = part(entry.lines, entry.body)
    return (missing(found) or []) if found is not None else []


_OF_ONE_CLIENT = CONDITIONS | {b"range", b"if-range", b"cache-control", b"pragma"}
"""Fields of a request that say in what form, or how new, its client wants the response."""


def unattended(request: Request, now: float) -> Request:
    """A request for the whole, of no client: the caches above do not learn from it."""
    own = request.copy()
    own.method, own.exchange, own.observers = "GET", request.exchange.detached(now), ()
    own.fields.lines = [line for line in own.fields.lines if line[0] not in _OF_ONE_CLIENT]
    return own
