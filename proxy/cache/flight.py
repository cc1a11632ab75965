"""Collapsing: of concurrent misses that may share an answer, one asks below and the others wait for it.

A flight is known by primary key and what the request selects, as far as entries seen so far tell. When it lands the
others look again: most find an entry; if not, the first of them leads the next flight. Where it turned out that
there is nothing to share (a response that may not be stored, or only with validation), that is remembered for a
while, so that such requests do not queue up behind each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable

REMEMBERED = 10.0
"""Seconds for which a flight that brought nothing to share lets requests for the same go on their own."""

REMEMBERED_COUNT = 16_384


class Flight:
    """One request under way, and who waits for it."""

    __slots__ = ("key", "waiters")

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.waiters: dict[asyncio.Future[bool], None] = {}

    async def landed(self, patience: float) -> bool:
        """Wait until it has, but no longer than `patience` seconds: False when it has not."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(patience, _wake, waiter, False)
        self.waiters[waiter] = None
        try:
            return await waiter
        finally:
            timer.cancel()
            self.waiters.pop(waiter, None)


def _wake(waiter: asyncio.Future[bool], landed: bool) -> None:
    if not waiter.done():
        waiter.set_result(landed)


class Flights:
    """Those of one cache stage."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._under_way: dict[Hashable, Flight] = {}
        self._clock = clock
        self._solitary: dict[Hashable, float] = {}
        """Until when; in that order."""

    def under_way(self, key: Hashable) -> Flight | None:
        return self._under_way.get(key)

    def lead(self, key: Hashable) -> Flight:
        flight = self._under_way[key] = Flight(key)
        return flight

    def is_solitary(self, key: Hashable) -> bool:
        """The last flight of that key brought nothing that others could use."""
        until = self._solitary.get(key)
        return until is not None and self._clock() < until

    def land(self, flight: Flight, *, shared: bool | None) -> None:
        """The flight is over. shared: whether it brought something for others; None when it failed, which says
        nothing. Landing again does nothing."""
        if self._under_way.get(flight.key) is not flight:
            return
        del self._under_way[flight.key]
        if shared is False:
            self._remember(flight.key)
        for waiter in flight.waiters:
            _wake(waiter, True)

    def _remember(self, key: Hashable) -> None:
        self._solitary.pop(key, None)
        self._solitary[key] = self._clock() + REMEMBERED
        if len(self._solitary) > REMEMBERED_COUNT:
            del self._solitary[next(iter(self._solitary))]
