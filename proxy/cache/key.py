"""What a stored response is found by.

The *primary key* is the target URI. The method is not in it: only GET is stored, and answers HEAD too.

The *selecting* part is what else the response depends on: the fields its `Vary` names (RFC 9111 §4.1), and what
the stages below the cache read of the request, as the cache saw it. A response answers another request if each
of these has the same value there.

Why this is sound although the reads themselves depend on what was read (a filter that reads B only if A is "x"):
a stage is deterministic, so on a request that agrees on every read it made, in the order it made them, it makes the
same reads, gets the same values, and does the same. It cannot come upon a read that was not recorded, as its first
divergence would have to follow from a recorded read with another value. So no entry is ever wrong for a request it
matches, whichever reads other entries were made with. Entries of one URI may have different sets of reads, and a
request is tried with each set.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from proxy.exchange import Request
from proxy.exchange.observation import UNREPEATABLE, Observation, Reads, Value, value_of
from proxy.http.query import QueryRule
from proxy.http.vary import best_language, selecting_value

Key = tuple[str, str, str, str | None]
"""scheme, authority, path, query."""

Selecting = tuple[Observation, ...]
"""Sorted. ("vary", name) stands for a field that `Vary` names, all else are observations."""

Values = tuple[Value | bytes, ...]
"""What a Selecting yields on a request."""

VARY = "vary"

_IN_PRIMARY = frozenset(("scheme", "authority", "path", "query", "query-param"))
_QUERY = frozenset(("query", "query-param"))

MAX_SELECTING = 64
"""An entry that depends on more reads than that is not worth keeping."""


@dataclass(frozen=True, slots=True)
class Keying:
    """What whoever runs a cache knows of the requests below it.

    query: which parameters matter. languages: those there are, lower case, the default first; a request is answered in
    the one of them that it prefers. vary: fields that responses depend on without saying so.

    What is not keyed is not passed below either: requests are made alike before they are looked up and before they go
    on, so nothing down there can come to depend on a difference that the key does not have.
    """

    query: QueryRule | None = None
    languages: tuple[str, ...] = ()
    vary: frozenset[str] = frozenset()

    def canonical(self, request: Request) -> Request:
        """The request that stands for all that are alike."""
        query = request.query if self.query is None or request.query is None else self.query.canonical(request.query)
        language = best_language(request.fields, self.languages) if self.languages else None
        if query == request.query and language is None:
            return request
        own = request.copy()
        own.query = query
        if language:
            own.fields.set(b"accept-language", language.encode())
        elif language is not None:
            own.fields.remove(b"accept-language")
        return own

    def canonical_key(self, key: Key) -> Key:
        scheme, authority, path, query = key
        if self.query is None or query is None:
            return key
        return (scheme, authority, path, self.query.canonical(query))


PLAIN = Keying()


def primary(request: Request) -> Key:
    return (request.scheme, request.authority, request.path, request.query)


def reference(key: Key, location: bytes) -> Key | None:
    """The key of a URI reference found in the response to `key`; None unless it is of the same origin."""
    scheme, authority, path, query = key
    target = f"{scheme}://{authority}{path}" + ("" if query is None else f"?{query}")
    try:
        url = urlsplit(urljoin(target, location.decode("latin-1")))
    except ValueError:
        return None
    if (url.scheme, url.netloc.lower()) != (scheme, authority):
        return None
    return (scheme, authority, url.path or "/", url.query or None)


def selecting(reads: Reads, vary: frozenset[str], *, own_query: bool = True) -> Selecting:
    """What a response depends on besides its primary key. own_query: it is only for the query that is in its key."""
    known = _IN_PRIMARY if own_query else _IN_PRIMARY - _QUERY
    observed = {o for o in reads if o[0] not in known and o != ("header", "host")}
    return tuple(sorted(observed | {(VARY, name) for name in vary if name != "host"}))


def values(request: Request, selecting: Selecting) -> Values:
    return tuple([selecting_value(request.fields, o[1]) if o[0] == VARY else value_of(request, o) for o in selecting])


def observations(selecting: Selecting) -> list[Observation]:
    """The reads among them, for the caches above."""
    return [o for o in selecting if o[0] != VARY]


def is_repeatable(reads: Reads) -> bool:
    return UNREPEATABLE not in reads
