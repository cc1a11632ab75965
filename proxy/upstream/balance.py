"""Which endpoint a request goes to: decisions only. Randomness is an argument.

Each policy is told of the members when there are others than before (`change`), and asked with those that may be chosen
now (`pick`): never none, in the order of the members. A member's `share` is its part of the requests relative to the
others', and may change at any time (slow start); its `load` is how many exchanges it has under way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from hashlib import blake2b
from math import ceil
from typing import Generic, Protocol, TypeVar


class Member(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> int: ...

    @property
    def share(self) -> float: ...

    @property
    def load(self) -> int: ...


M = TypeVar("M", bound=Member)

Random = Callable[[], float]
"""From 0 to below 1, as `random.random`."""


class Balance(Protocol[M]):
    def change(self, members: Sequence[M]) -> None:
        """There are these now."""

    def pick(self, usable: Sequence[M], key: bytes | None, random: Random) -> M:
        """key: what the request is hashed by; None when it has nothing of that kind."""


class RoundRobin(Generic[M]):
    """Smooth weighted round robin, as in nginx: in any stretch of as many requests as all shares together, each member
    gets its share, and none gets its turns in a row."""

    def __init__(self) -> None:
        self._credit: dict[M, float] = {}

    def change(self, members: Sequence[M]) -> None:
        self._credit = {member: self._credit.get(member, 0.0) for member in members}

    def pick(self, usable: Sequence[M], key: bytes | None, random: Random) -> M:
        credit = self._credit
        total = 0.0
        chosen, most = usable[0], float("-inf")
        for member in usable:
            share = member.share
            total += share
            credit[member] = now = credit[member] + share
            if now > most:
                chosen, most = member, now
        credit[chosen] = most - total
        return chosen


class LeastRequests(Generic[M]):
    """Power of two choices: of two drawn by their shares, the one with less under way for its share.

    Not the least of all: every worker, and every proxy in front of the same origins, knows its own load only, and all
    of them would run to the same endpoint (Mitzenmacher 2001).
    """

    def change(self, members: Sequence[M]) -> None:
        pass

    def pick(self, usable: Sequence[M], key: bytes | None, random: Random) -> M:
        first = _drawn(usable, None, random)
        if len(usable) == 1:
            return first
        second = _drawn(usable, first, random)
        return second if second.load * first.share < first.load * second.share else first


def _drawn(usable: Sequence[M], without: M | None, random: Random) -> M:
    total = sum(member.share for member in usable if member is not without)
    left = random() * total
    last = usable[0]
    for member in usable:
        if member is without:
            continue
        last = member
        left -= member.share
        if left < 0:
            break
    return last


POINTS = 160
"""On the ring for each unit of weight: what members get of the keys then differs from their weights by some 8 %."""

_BYTES = 8
_DIGEST = 64


class ConsistentHash(Generic[M]):
    """A hash ring (Karger 1997) with bounded loads (Mirrokni, Thorup and Zadimoghaddam 2016).

    A key goes to the first member on the ring after it that may be chosen and has not more under way than `bound` times
    its share of all. So a member that goes takes only its own keys with it, one that comes takes only the keys that
    are its own from then on, and the most popular key of all does not bury the member that has it.
    A request without a key goes to a place on the ring by chance.
    """

    def __init__(self, bound: float) -> None:
        """bound: more than 1. Near 1 loads are most even and keys move most."""
        self._bound = bound
        self._ring: list[tuple[int, M]] = []
        self._points: list[int] = []

    def change(self, members: Sequence[M]) -> None:
        ring = [(point, member) for member in members for point in _points(member)]
        ring.sort(key=lambda entry: entry[0])
        self._ring = ring
        self._points = [point for point, _ in ring]

    def pick(self, usable: Sequence[M], key: bytes | None, random: Random) -> M:
        place = int(random() * 2**64) if key is None else int.from_bytes(blake2b(key, digest_size=_BYTES).digest())
        room = self._with_room(usable)
        ring = self._ring
        start = bisect_left(self._points, place)
        for at in range(start, start + len(ring)):
            member = ring[at % len(ring)][1]
            if member in room:
                return member
        raise AssertionError("what may be chosen is on the ring, and not all of it can be over its bound")

    def _with_room(self, usable: Sequence[M]) -> set[M]:
        """Never empty: the capacities of all add up to more than the load."""
        load = 1 + sum(member.load for member in usable)
        each = self._bound * load / sum(member.share for member in usable)
        return {member for member in usable if member.load < ceil(each * member.share)}


def _points(member: Member) -> list[int]:
    """By its name alone: the same in every process."""
    count = POINTS * member.weight
    digests = (
        blake2b(f"{member.name}#{number}".encode(), digest_size=_DIGEST).digest()
        for number in range(-(-count * _BYTES // _DIGEST))
    )
    raw = b"".join(digests)
    return [int.from_bytes(raw[at : at + _BYTES]) for at in range(0, count * _BYTES, _BYTES)]
