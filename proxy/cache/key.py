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

from urllib.parse import urljoin, urlsplit

from proxy.exchange import Request
from proxy.exchange.observation import UNREPEATABLE, Observation, Reads, Value, value_of
from proxy.http.vary import selecting_value

Key = tuple[str, str, str, str | None]
"""scheme, authority, path, query."""

Selecting = tuple[Observation, ...]
"""Sorted. ("vary", name) stands for a field that `Vary` names, all else are observations."""

Values = tuple[Value | bytes, ...]
"""What a Selecting yields on a request."""

VARY = "vary"

_IN_PRIMARY = frozenset(("scheme", "authority", "path", "query", "query-param"))

MAX_SELECTING = 64
"""An entry that depends on more reads than that is not worth keeping."""


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


def selecting(reads: Reads, vary: frozenset[str]) -> Selecting:
    """What a response depends on besides its primary key."""
    observed = {o for o in reads if o[0] not in _IN_PRIMARY and o != ("header", "host")}
    return tuple(sorted(observed | {(VARY, name) for name in vary if name != "host"}))


def values(request: Request, selecting: Selecting) -> Values:
    return tuple([selecting_value(request.fields, o[1]) if o[0] == VARY else value_of(request, o) for o in selecting])


def observations(selecting: Selecting) -> list[Observation]:
    """The reads among them, for the caches above."""
    return [o for o in selecting if o[0] != VARY]


def is_repeatable(reads: Reads) -> bool:
    return UNREPEATABLE not in reads
