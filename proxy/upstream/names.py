"""When names are looked up again, and what is made of the answers: decisions only, `now` is an argument."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SHORTEST_TTL = 1.0
LONGEST_TTL = 3600.0
"""Seconds between two look-ups of a name, whatever the answer said. /etc/hosts says 0."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """addresses: IPv4 and IPv6. ttl: seconds, the shortest of them."""

    addresses: tuple[str, ...]
    ttl: float


class Name:
    """What is known of one name. A look-up that fails changes nothing of it: old addresses are better than none."""

    __slots__ = ("_failures", "addresses", "due")

    def __init__(self) -> None:
        self.addresses: tuple[str, ...] = ()
        self.due = 0.0
        self._failures = 0

    def answered(self, answer: Answer, now: float) -> None:
        self.addresses = preferred(answer.addresses)
        self.due = now + min(max(answer.ttl, SHORTEST_TTL), LONGEST_TTL)
        self._failures = 0

    def failed(self, now: float) -> None:
        self.due = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self._failures)
        self._failures += 1


def preferred(addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of IPv4 if there are any, else those of IPv6, in an order of their own. Not both: a host that has an
    address of each kind is not two, and is often reached by one of them only (localhost, say)."""
    found = sorted(set(addresses))
    return tuple([address for address in found if ":" not in address] or found)
