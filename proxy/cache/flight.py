"""Collapsing: of concurrent misses that may share an answer, one asks below and the others wait for it.

A flight is known by primary key and what the request selects, as far as entries seen so far tell. When the head of its
response is there and others may use it, it becomes an offer: those whose requests agree with the leader's in all that
was read so far take the body with it as it arrives (`proxy.cache.tee` says why that is sound), and for the others a
flight of their own is known by those values. When there is nothing to share (a response that may not be stored, or only
with validation), that is remembered for a while, so that such requests do not queue up behind each other.

A leader that goes away leaves its flight to those who wait, and its end to the last of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from proxy.cache.key import Key, Selecting, Values, values
from proxy.exchange import Request, Response

REMEMBERED = 10.0
"""Seconds for which a flight that brought nothing to share lets requests for the same go on their own."""

REMEMBERED_COUNT = 16_384

Selections = frozenset[tuple[Selecting, Values]]
"""What a request selects."""

What = tuple[Key, Selections]


class Offered(Protocol):
    """What arrives, and whom it is for."""

    selecting: Selecting

    @property
    def tags(self) -> tuple[str, ...]: ...

    def fits(self, request: Request) -> bool: ...


class Flight:
    """One request under way, and who waits for it. mark: the moment in the store before it was asked."""

    __slots__ = ("_orphan", "mark", "offer", "waiters", "what")

    def __init__(self, what: What, mark: int) -> None:
        self.what = what
        self.mark = mark
        self.offer: Offered | None = None
        self.waiters: dict[asyncio.Future[bool], None] = {}
        self._orphan: asyncio.Task[Response] | None = None

    @property
    def tags(self) -> tuple[str, ...] | None:
        """Of what it brings; None as long as that is not known."""
        return self.offer.tags if self.offer is not None else None

    async def landed(self, patience: float) -> bool:
        """Wait until it has, or has something to offer, but no longer than `patience` seconds: False when neither."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[bool] = loop.create_future()
        timer = loop.call_later(patience, _wake, waiter, False)
        self.waiters[waiter] = None
        try:
            return await waiter
        finally:
            timer.cancel()
            self.waiters.pop(waiter, None)
            if self._orphan is not None and not self.waiters:
                self._orphan.cancel()

    async def tended(self, fetch: asyncio.Task[Response]) -> Response:
        """What the leader's fetch brings. When the leader is cancelled it goes on if others wait."""
        try:
            return await asyncio.shield(fetch)
        except asyncio.CancelledError:
            if self.waiters:
                self._orphan = fetch
                fetch.add_done_callback(_unread)
            else:
                fetch.cancel()
            raise

    def wake(self) -> None:
        for waiter in self.waiters:
            _wake(waiter, True)


def _wake(waiter: asyncio.Future[bool], landed: bool) -> None:
    if not waiter.done():
        waiter.set_result(landed)


def _unread(fetch: asyncio.Task[Response]) -> None:
    """The leader's own answer, which nobody will read; others may have begun to."""
    if not fetch.cancelled() and fetch.exception() is None:
        body = fetch.result().body
        if not isinstance(body, bytes):
            body.close()


class Flights:
    """Those of one cache stage."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._under_way: dict[What, Flight] = {}
        self._clock = clock
        self._solitary: dict[What, float] = {}
        """Until when; in that order."""

    def find(self, what: What, request: Request) -> tuple[What, Flight | None]:
        """The flight under way for this request, if there is one, and what it is known by."""
        while (flight := self._under_way.get(what)) is not None:
            offer = flight.offer
            if offer is None or offer.fits(request):
                break
            key, selections = what
            own = (key, selections | {(offer.selecting, values(request, offer.selecting))})
            if own == what:
                return what, None  # it will come to nothing that others can use
            what = own
        return what, flight

    def lead(self, what: What, mark: int) -> Flight:
        flight = self._under_way[what] = Flight(what, mark)
        return flight

    def is_solitary(self, what: What) -> bool:
        """The last flight of that name brought nothing that others could use."""
        until = self._solitary.get(what)
        return until is not None and self._clock() < until

    def offer(self, flight: Flight, offer: Offered) -> None:
        """Others need not wait for the end of it."""
        flight.offer = offer
        flight.wake()

    def land(self, flight: Flight, *, shared: bool | None) -> None:
        """The flight is over. shared: whether it brought something for others; None when it failed, which says
        nothing. Landing again does nothing."""
        if self._under_way.get(flight.what) is not flight:
            return
        del self._under_way[flight.what]
        if shared is False:
            self._remember(flight.what)
        flight.wake()

    def _remember(self, what: What) -> None:
        self._solitary.pop(what, None)
        self._solitary[what] = self._clock() + REMEMBERED
        if len(self._solitary) > REMEMBERED_COUNT:
            del self._solitary[next(iter(self._solitary))]
