"""A request on its way below, and the entry that comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from proxy.cache import key as keys
from proxy.cache.disk_body import FileBody
from proxy.cache.entry import Content, Entry, stored_lines, updated
from proxy.cache.flight import Flight, Flights, Offered
from proxy.cache.key import Key, Keying, Selecting
from proxy.cache.lookup import CONDITIONS
from proxy.cache.partial import is_whole, joined, part
from proxy.cache.policy import Received, Refusal, Rules, Terms, judge, withheld
from proxy.cache.search import Searches, stored_under
from proxy.cache.store import Front
from proxy.cache.tags import MAX_TAGS, tagged
from proxy.cache.tee import Done, Tee
from proxy.exchange import Request, Response, Stream, length_of
from proxy.exchange.observation import Reads, Source, written
from proxy.http import conditional
from proxy.http.cache_control import SURROGATE_CAPABILITY, SURROGATE_CONTROL
from proxy.http.fields import Fields, Line
from proxy.http.query import no_vary_search
from proxy.http.vary import selecting_fields

_NO_SOURCES: frozenset[Source] = frozenset()
_CONDITION_SOURCES = frozenset(("header", name.decode()) for name in CONDITIONS)


@dataclass(frozen=True, slots=True)
class Settings:
    """How one cache stage stores. max_object_size: bytes. clock: seconds since the epoch. place: see `Cache`."""

    store: Front
    flights: Flights
    rules: Rules
    keying: Keying
    searches: Searches
    max_object_size: int
    clock: Callable[[], float]
    place: str


@dataclass(slots=True)
class Fill:
    """One request that is passed below to fill the store.

    request: as the cache got it. mark: the moment in the store before it was asked. flight: those who wait for it.
    bare: it goes without the client's conditions, which are evaluated here on what comes. stored: what was found for
    the request; a part that comes may be joined to it. reads: what the stages below read of the request; complete when
    the body has ended.
    """

    settings: Settings
    key: Key
    request: Request
    asked_at: float
    mark: int
    flight: Flight | None
    bare: bool
    stored: Entry | None = None
    reads: Reads = field(default_factory=dict)

    def tee(self, head: Response, source: Stream, done: Done, left: Callable[[Tee], None]) -> Tee:
        """What a body is stored from."""
        return Tee(head, source, self.settings.store, self.settings.max_object_size, self.reads, done, left)

    def downward(self, asking: list[Line]) -> Request:
        """The request to pass below: with an observer of ours, and our own conditions in place of the client's."""
        down = self.request.copy()
        down.observers += ((self.reads, _NO_SOURCES),)
        if self.bare or asking:
            down.fields.lines = [line for line in down.fields.lines if line[0] not in CONDITIONS] + asking
            written(down, _CONDITION_SOURCES.union([("header", name.decode()) for name, _ in asking]))
        if SURROGATE_CONTROL in self.settings.rules.target_list:
            down.fields.append(b"surrogate-capability", SURROGATE_CAPABILITY)
        return down

    async def ask(self, below: Callable[[Request], Awaitable[Response]], asking: list[Line] | None = None) -> Response:
        """What comes from below, with its tags. asking: our own conditions."""
        return tagged(await below(self.downward(asking or [])), strip=self.settings.rules.strip_tags)

    def judge(self, response: Response, now: float) -> Terms | Refusal:
        """Whether what came may be stored, as far as is known before its body has ended."""
        if not keys.is_repeatable(self.reads):
            return Refusal.UNREPEATABLE
        if (length_of(response.body) or 0) > self.settings.max_object_size:
            return Refusal.SIZE
        if response.status == 206 and self._displaces(now):
            return Refusal.PARTIAL
        status, fields, rules = response.status, response.fields, self.settings.rules
        return judge(Received(self.request.fields, status, fields, self.asked_at, now, rules))

    def _displaces(self, now: float) -> bool:
        """A part would be stored in place of the whole."""
        if self.stored is not None and now < self.stored.fresh_until:
            return True
        variants = self.settings.store.peek(self.key)
        entry = variants.match(self.request, self.settings.place) if variants is not None else None
        return entry is not None and now < entry.fresh_until

    def is_unmodified(self, response: Response, now: float) -> bool:
        """Whether a new response is what the client has."""
        return (
            self.bare and response.status == 200 and conditional.not_modified(self.request.fields, response.fields, now)
        )

    def selecting(self, response: Response) -> Selecting:
        vary = (selecting_fields(response.fields) or frozenset()) | self.settings.keying.vary
        return keys.selecting(self.reads, vary, own_query=no_vary_search(response.fields) is None)

    def lines(self, response: Response, length: int, now: float) -> list[Line]:
        """The field lines to store of a response with a content of so many bytes."""
        return stored_lines(
            response.status, response.fields, length, now, withheld(response.fields, self.settings.rules)
        )

    def entry(self, response: Response, terms: Terms, now: float, body: Content) -> Entry:
        status, lines = response.status, self.lines(response, len(body), now)
        if status == 206:
            status, lines, body = self._joined(lines, body)
        selecting = self.selecting(response)
        return Entry(
            status,
            lines,
            body,
            response.tags,
            terms,
            selecting,
            keys.values(self.request, selecting),
            now,
            self.settings.place,
        )

    def _joined(self, lines: list[Line], body: Content) -> tuple[int, list[Line], Content]:
        """A part together with the one that is held, if they belong together; the whole when they make it."""
        new = part(lines, body)
        assert new is not None  # policy refuses others
        held = self.stored
        old = part(held.lines, held.body) if held is not None and held.status == 206 else None
        if held is not None and old is not None and len(old.body) + len(body) <= self.settings.max_object_size:
            new = joined(old, new)
            self.reads.update(dict.fromkeys(keys.observations(held.selecting)))
        if is_whole(new):
            return 200, [line for line in new.lines if line[0] != b"content-range"], new.body
        return 206, new.lines, new.body

    def validated(self, stored: Entry, answer: Response, now: float) -> tuple[Entry, Refusal | None]:
        """What is stored, updated by a 304 for it (RFC 9111 §4.3.4); and why it is not kept, if it is not."""
        whole = self._updated(stored, answer, now)
        verdict = self.judge(whole, now)
        if isinstance(verdict, Terms):
            entry = self.entry(whole, verdict, now, stored.body)
            return entry, self.put(entry)
        self.refused(verdict)
        once = Terms(born=now, lifetime=0.0, validate=True, strict=True)
        return self.entry(whole, once, now, stored.body), verdict

    def described(self, stored: Entry, answer: Response, now: float) -> Refusal | None:
        """What is stored, updated by a 200 for HEAD (RFC 9111 §4.3.5); or made stale when that is about another."""
        whole = self._updated(stored, answer, now)
        if not conditional.describes(Fields(stored.lines), answer.fields):
            outdated = replace(stored.terms, lifetime=0.0, strict=True, while_revalidate=0.0)
            whole.fields = Fields(stored.lines)
            self.put(self.entry(whole, outdated, now, stored.body))
            return Refusal.OUTDATED
        verdict = self.judge(whole, now)
        return verdict if isinstance(verdict, Refusal) else self.put(self.entry(whole, verdict, now, stored.body))

    def _updated(self, stored: Entry, answer: Response, now: float) -> Response:
        self.reads.update(dict.fromkeys(keys.observations(stored.selecting)))
        tags = tuple(dict.fromkeys((*stored.tags, *answer.tags)))
        return Response(stored.status, updated(stored, answer.fields, now), stored.body, tags)

    def ended(self, response: Response, terms: Terms, now: float, body: Content | Refusal) -> Refusal | None:
        """The body of a response that may be stored has ended, or will not: store it, and let the others look."""
        if not isinstance(body, Refusal):
            entry = self.entry(response, terms, now, body)
            refusal = self.put(entry)
            if isinstance(body, FileBody) and (refusal is not None or entry.body is not body):
                body.discard()
            return refusal
        self.refused(body)
        return body

    def put(self, entry: Entry) -> Refusal | None:
        refusal = self._put(entry)
        # That it was purged meanwhile says nothing about the next.
        shared = None if refusal is Refusal.INVALIDATED else refusal is None and entry.fresh_until > entry.received_at
        self._land(shared=shared)
        return refusal

    def _put(self, entry: Entry) -> Refusal | None:
        if not keys.is_repeatable(self.reads):
            return Refusal.UNREPEATABLE
        if len(entry.selecting) > keys.MAX_SELECTING:
            return Refusal.READS
        if len(entry.tags) > MAX_TAGS:
            return Refusal.TAGS
        if entry.status == 206 and self._displaces(entry.received_at):
            return Refusal.PARTIAL
        store, searches = self.settings.store, self.settings.searches
        rule = no_vary_search(Fields(entry.lines))
        if rule is None:
            return store.put(self.key, entry, self.mark)
        if not store.is_current(self.key, self.mark, entry.tags):
            return Refusal.INVALIDATED
        searches.learn(self.key, rule)
        return store.put(stored_under(self.key, rule), entry, self.mark)

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
