"""What is measured: one case at one server."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Case(Enum):
    """The value is what `--only` and the tables call it."""

    HIT = "hit"
    """A response from memory."""
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


@dataclass(frozen=True, slots=True)
class Target:
    """pid: the server's, whose processor time is taken (with that of its children)."""

    case: Case
    server: str
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/item"


class Missing(Exception):
    """A server, or what it needs, is not installed. The text says what, and how to get it."""


FILTERS_OF = {Case.FILTER: 2, Case.FILTER_FRESH: 2, Case.FILTER_POOLED: 2, Case.FILTER_HIT: 1}
"""How many filters stand in the chain."""

CACHED = frozenset({Case.HIT, Case.FILTER_HIT})


def filter_config(n: int) -> dict[str, object]:
    """What the n-th header filter does; the filter for Envoy understands the same."""
    return {"request": {"set": {f"x-bench-{n}": "1"}}, "response": {"set": {f"x-filtered-{n}": "1"}}}
