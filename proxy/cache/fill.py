"""A request on its way below, and the entry that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.cache import key as keys
from proxy.cache.entry import Content, Entry, stored_lines
from proxy.cache.flight import Flight, Flights, Offered
from proxy.cache.key import Key, Selecting
from proxy.cache.lookup import CONDITIONS
from proxy.cache.policy import Received, Refusal, Rules, Terms, judge, withheld
from proxy.cache.store import Front, Room
from proxy.exchange import Request, Response, length_of
from proxy.exchange.observation import Reads, Source, written
from proxy.http import conditional
from proxy.http.fields import Line
from proxy.http.vary import selecting_fields

_NO_SOURCES: frozenset[Source] = frozenset()
_CONDITION_SOURCES = frozenset(("header", name.decode()) for name in CONDITIONS)


@dataclass(frozen=True, slots=True)
class Settings:
    """How one cache stage stores. max_object_size: bytes. clock: seconds since the epoch. place: see `Cache`."""

    store: Front
    flights: Flights
    rules: Rules
    max_object_size: int
    clock: Callable[[], float]
    place: str


@dataclass(slots=True)
class Fill:
    """One request that is passed below to fill the store.

    request: as the cache got it. mark: the moment in the store before it was asked. flight: those who wait for it.
    bare: it goes without the client's conditions, which are evaluated here on what comes. reads: what the stages
    below read of the request; complete when the body has ended.
    """

    settings: Settings
    key: Key
    request: Request
    asked_at: float
    mark: int
    flight: Flight | None
    bare: bool
    reads: Reads = field(default_factory=dict)

    def room(self) -> Room:
        return self.settings.store.room(self.settings.max_object_size)

    def downward(self, asking: list[Line]) -> Request:
        """The request to pass below: with an observer of ours, and our own conditions in place of the client's."""
        down = self.request.copy()
        down.observers += ((self.reads, _NO_SOURCES),)
        if self.bare or asking:
            down.fields.lines = [line for line in down.fields.lines if line[0] not in CONDITIONS] + asking
            written(down, _CONDITION_SOURCES)
        return down

    def judge(self, response: Response, now: float) -> Terms | Refusal:
        """Whether what came may be stored, as far as is known before its body has ended."""
        if not keys.is_repeatable(self.reads):
            return Refusal.UNREPEATABLE
        if (length_of(response.body) or 0) > self.settings.max_object_size:
            return Refusal.SIZE
        status, fields, rules = response.status, response.fields, self.settings.rules
        return judge(Received(self.request.fields, status, fields, self.asked_at, now, rules))

    def is_unmodified(self, response: Response, now: float) -> bool:
        """Whether a new response is what the client has."""
        return (
            self.bare and response.status == 200 and conditional.not_modified(self.request.fields, response.fields, now)
        )

    def selecting(self, response: Response) -> Selecting:
        return keys.selecting(self.reads, selecting_fields(response.fields) or frozenset())

    def lines(self, response: Response, length: int, now: float) -> list[Line]:
        """The field lines to store of a response with a content of so many bytes."""
        return stored_lines(
            response.status, response.fields, length, now, withheld(response.fields, self.settings.rules)
        )

    def entry(self, response: Response, terms: Terms, now: float, body: Content) -> Entry:
        selecting = self.selecting(response)
        return Entry(
            response.status,
            self.lines(response, len(body), now),
            body,
            response.tags,
            terms,
            selecting,
            keys.values(self.request, selecting),
            now,
            self.settings.place,
        )

    def ended(self, response: Response, terms: Terms, now: float, body: bytes | Refusal) -> Refusal | None:
        """The body of a response that may be stored has ended, or will not: store it, and let the others look."""
        if not isinstance(body, Refusal):
            return self.put(self.entry(response, terms, now, body))
        self.refused(body)
        return body

    def put(self, entry: Entry) -> Refusal | None:
        refusal = self._put(entry)
        self._land(shared=refusal is None and entry.fresh_until > entry.received_at)
        return refusal

    def _put(self, entry: Entry) -> Refusal | None:
        if not keys.is_repeatable(self.reads):
            return Refusal.UNREPEATABLE
        if len(entry.selecting) > keys.MAX_SELECTING:
            return Refusal.READS
        return self.settings.store.put(self.key, entry, self.mark)

    def share(self, offer: Offered | None) -> None:
        """A response is arriving: for others too, or None, so that they do not wait for it."""
        if offer is None:
            self._land(shared=False)
        elif self.flight is not None:
            self.settings.flights.offer(self.flight, offer)

    def refused(self, refusal: Refusal) -> None:
        """Nothing is stored. Of a response that broke this says nothing about the next."""
        self._land(shared=None if refusal is Refusal.INCOMPLETE else False)

    def failed(self) -> None:
        """Nothing came."""
        self._land(shared=None)

    def _land(self, *, shared: bool | None) -> None:
        if self.flight is not None:
            self.settings.flights.land(self.flight, shared=shared)
