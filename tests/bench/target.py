"""What is measured: one case at one server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Case(Enum):
    """The value is what `--only` and the tables call it."""

    HIT = "hit"
    """A response from memory."""
    HIT_TLS = "hit-tls"
    """HIT over TLS."""
    HIT_HTTP2 = "hit-h2"
    """HIT over HTTP/2 with TLS."""
    PASS = "pass"
    """A request forwarded, its response passed on."""
    FILTER = "filter"
    """PASS with two filters, each of which sets a field of the request and one of the response."""
    FILTER_FRESH = "filter-fresh"
    """FILTER without the memo: new instances for every exchange."""
    FILTER_POOLED = "filter-pooled"
    """FILTER without the memo: instances are used again."""
    FILTER_HIT = "filter-hit"
    """HIT with one such filter in front of the cache, its decisions remembered."""


FILTERS_OF = {Case.FILTER: 2, Case.FILTER_FRESH: 2, Case.FILTER_POOLED: 2, Case.FILTER_HIT: 1}
"""How many filters stand in the chain."""

SECURE = frozenset({Case.HIT_TLS, Case.HIT_HTTP2})
"""Over TLS."""

CACHED = frozenset({Case.HIT, Case.FILTER_HIT}) | SECURE


@dataclass(frozen=True, slots=True)
class Target:
    """pid: the server's, whose processor time is taken (with that of its children)."""

    case: Case
    server: str
    port: int
    pid: int

    @property
    def secure(self) -> bool:
        return self.case in SECURE

    def url(self, target: str) -> str:
        """target: path and query."""
        return f"http{'s' * self.secure}://127.0.0.1:{self.port}{target}"


@dataclass(frozen=True, slots=True)
class Site:
    """What all servers serve. origin: its port. chain, key: files of the certificate and its key, for 127.0.0.1."""

    origin: int
    chain: Path
    key: Path


class Missing(Exception):
    """A server, or what it needs, is not installed. The text says what, and how to get it."""


def filter_config(n: int) -> dict[str, object]:
    """What the n-th header filter does; the filter for Envoy understands the same."""
    return {"request": {"set": {f"x-bench-{n}": "1"}}, "response": {"set": {f"x-filtered-{n}": "1"}}}
