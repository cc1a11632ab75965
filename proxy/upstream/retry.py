"""Whether a request is sent once more: decisions only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from proxy.errors import ProxyError, Repeat

IDEMPOTENT: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""RFC 9110 §9.2.2: asking twice is as good as asking once."""

BURST = 10.0
"""Retries that are granted before any request has earned them."""

_FIRST_WAIT = 0.025
_LONGEST_WAIT = 0.25


@dataclass(frozen=True, slots=True)
class Retries:
    """attempts: how often a request is sent again, at most. statuses: of answers that are as good as none.
    budget: retries for each request, over many requests."""

    attempts: int = 0
    statuses: frozenset[int] = frozenset()
    budget: float = 0.2


class Budget:
    """Retries must not multiply the load on origins that are failing because of load: each request earns a part of a
    retry, and no more than BURST are saved up (as gRPC's retry throttling)."""

    __slots__ = ("_earns", "_saved")

    def __init__(self, earns: float) -> None:
        self._earns = earns
        self._saved = BURST

    def earn(self) -> None:
        """A request came."""
        if self._saved < BURST:
            self._saved += self._earns

    def spend(self) -> bool:
        """For a retry. False: there is none left."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


def may_repeat(method: str, error: ProxyError) -> bool:
    """RFC 9110 §9.2.2: what is idempotent, and what certainly did not reach the origin."""
    if not error.failure.retry:
        return False
    return error.repeat is Repeat.ANY or (error.repeat is Repeat.IDEMPOTENT and method in IDEMPOTENT)


def wait(retry: int, random: float) -> float:
    """Seconds before the endpoint that has just failed is asked again. retry: the first is 0. random: from 0 to 1, so
    that clients who failed together do not come back together."""
    return random * min(_LONGEST_WAIT, _FIRST_WAIT * 2.0**retry)
