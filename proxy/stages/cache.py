"""`cache: {…}`: answers from what is stored, asks the stages below when it cannot, and stores what they answer.

On a miss the request passed below carries one more observer, so that every read made down there, also while the
body streams, becomes part of what the response is found by (`proxy.cache.key`). The entry is therefore made when
the body has ended.

`Cache-Status` (RFC 9211): this cache's member comes last, nearest to the client. An answer from the store shows this
member alone: those of caches below are about the exchange that brought the entry. `stored` says what was decided;
a body that turns out too long or breaks is not stored after all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial

from proxy.cache import key as keys
from proxy.cache.entry import Entry, stored_lines, updated
from proxy.cache.flight import Flight, Flights
from proxy.cache.key import Key, Selecting, Values
from proxy.cache.lookup import CONDITIONS, SAFE, Decision, bypass, decide, is_plain, may_collapse
from proxy.cache.policy import Received, Refusal, Terms, judge
from proxy.cache.status import Forward, add, forwarded, label
from proxy.cache.store import Store
from proxy.cache.tee import Tee
from proxy.chain.stage import Below
from proxy.exchange import Body, Request, Response, length_of
from proxy.exchange.observation import Reads, observed, written
from proxy.http import conditional
from proxy.http.cache_control import Directives, wishes
from proxy.http.fields import Fields, Line
from proxy.http.vary import selecting_fields

PATIENCE = 5.0
"""Seconds a request waits for others that bring what it may share, before it goes on its own."""

_CONDITION_SOURCES = frozenset(("header", name.decode()) for name in CONDITIONS)


@dataclass(slots=True)
class _Fill:
    """A request on its way below to fill the store. request: as this stage got it. bare: it goes without the
    client's conditions, which are evaluated here on what comes."""

    key: Key
    request: Request
    asked_at: float
    mark: int
    flight: Flight | None
    bare: bool
    reads: Reads = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the cache would do with a request. outcome: the member of `Cache-Status` it would begin with.
    selecting: each set of reads that stored responses depend on, with its values on this request. age and ttl in
    seconds, None without a selected entry."""

    cache: str
    key: Key
    outcome: str
    reason: str
    variants: int
    selecting: list[tuple[Selecting, Values]]
    age: int | None
    ttl: int | None


class Cache:
    """The stage. ttl: seconds of freshness for responses that give none; None follows RFC 9111.
    max_object_size: bytes of body. clock: seconds since the epoch."""

    def __init__(
        self, name: str, store: Store, *, ttl: float | None, max_object_size: int, clock: Callable[[], float]
    ) -> None:
        self.name = name
        self._label = label(name)
        self._store = store
        self._ttl = ttl
        self._max_object_size = max_object_size
        self._clock = clock
        self._flights = Flights(clock)
        self._background: set[asyncio.Task[None]] = set()

    async def __call__(self, request: Request, below: Below) -> Response:
        method = request.method
        if (method == "GET" or method == "HEAD") and is_plain(request) and request.body == b"":
            variants = self._store.get((request.scheme, request.authority, request.path, request.query))
            if variants is not None:
                entry = variants.match(request)
                now = self._clock()
                if entry is not None and now < entry.fresh_until:
                    return self._hit(request, entry, now)
        elif (why := bypass(request)) is not None:
            return await self._bypass(request, below, why)
        return await self._consider(request, below)

    def _hit(self, request: Request, entry: Entry, now: float) -> Response:
        """A fresh entry answers a request that asks for nothing special."""
        member = f"{self._label}; hit; ttl={int(entry.fresh_until - now)}"
        request.exchange.cache_status.append(member)
        if request.observers or request.exchange.trace is not None:
            self._tell(request, entry, member)
        fields = Fields(entry.lines)
        fields.lines += (_age(entry, now), (b"cache-status", member.encode()))
        return Response(entry.status, fields, b"" if request.method == "HEAD" else entry.body, entry.tags)

    async def _bypass(self, request: Request, below: Below, why: str) -> Response:
        if why == "method":
            member = forwarded(self._label, Forward.METHOD)
        else:
            member = forwarded(self._label, Forward.BYPASS, detail=why)
        response = await self._pass(request, below, member)
        if request.method not in SAFE and 200 <= response.status < 400:
            self._invalidate(request, response)
        return response

    async def _pass(self, request: Request, below: Below, member: str) -> Response:
        """Ask below without storing."""
        request.exchange.cache_status.append(member)
        response = (await below(request)).copy()
        add(response.fields, member)
        return response

    def _invalidate(self, request: Request, response: Response) -> None:
        """RFC 9111 §4.4: the target, and what the response says has changed with it, of the same origin."""
        key = keys.primary(request)
        self._store.delete(key)
        for name in (b"location", b"content-location"):
            value = response.fields.get(name)
            other = None if value is None else keys.reference(key, value)
            if other is not None:
                self._store.delete(other)

    async def _consider(self, request: Request, below: Below) -> Response:
        """Everything but the simplest hit: decide, wait for others, or ask below."""
        key = keys.primary(request)
        asked = wishes(request.fields)
        first: Decision | None = None
        deadline: float | None = None
        while True:
            variants, now = self._store.get(key), self._clock()
            decision = decide(variants, request, asked, now)
            first = first or decision
            if decision.entry is not None and decision.forward is None:
                return self._reused(request, decision.entry, now, first.forward)
            if "only-if-cached" in asked:  # RFC 9111 §5.2.1.7
                return self._only_if_cached(request)
            assert decision.forward is not None
            detail = _unstorable(request, asked)
            if detail is not None:
                member = forwarded(self._label, decision.forward, detail=detail)
                return await self._pass(request, below, member)
            what: Hashable = (key, variants.signature(request) if variants is not None else ())
            if self._flights.is_solitary(what):
                return await self._fetch(request, below, decision, None, bare=decision.entry is not None)
            if not may_collapse(asked):
                return await self._fetch(request, below, decision, None)
            flight = self._flights.under_way(what)
            if flight is None:
                return await self._fetch(request, below, decision, self._flights.lead(what))
            loop = asyncio.get_running_loop()
            deadline = deadline or loop.time() + PATIENCE
            if loop.time() >= deadline:
                return await self._fetch(request, below, decision, None)
            await flight.landed(deadline - loop.time())

    def _reused(self, request: Request, entry: Entry, now: float, waited: Forward | None) -> Response:
        ttl = int(entry.fresh_until - now)
        if waited is None:
            member = f"{self._label}; hit; ttl={ttl}"
        else:
            member = forwarded(self._label, waited, collapsed=True, ttl=ttl)
        return self._answer(request, entry, now, member)

    def _only_if_cached(self, request: Request) -> Response:
        member = f"{self._label}; detail=only-if-cached"
        request.exchange.cache_status.append(member)
        return Response(504, Fields([(b"content-length", b"0"), (b"cache-status", member.encode())]))

    def _answer(self, request: Request, entry: Entry, now: float, member: str) -> Response:
        """An entry as the answer, or that it has not changed since the client got it."""
        request.exchange.cache_status.append(member)
        self._tell(request, entry, member)
        own = (_age(entry, now), (b"cache-status", member.encode()))
        fields = Fields(entry.lines)
        if entry.status == 200 and conditional.not_modified(request.fields, fields, entry.received_at):
            return Response(304, Fields([*conditional.without_content(entry.lines), *own]), b"", entry.tags)
        fields.lines += own
        return Response(entry.status, fields, b"" if request.method == "HEAD" else entry.body, entry.tags)

    def _tell(self, request: Request, entry: Entry, member: str) -> None:
        """What the stages below read when the entry was made is what they would read now: the caches above, which
        see none of it, depend on it all the same."""
        for observation in keys.observations(entry.selecting):
            observed(request, observation)
        self._trace(request, member, entry.selecting)

    def _trace(self, request: Request, member: str, selecting: Selecting) -> None:
        if request.exchange.trace is not None:
            key = keys.primary(request)
            story = {"stage": "cache", "name": self.name, "outcome": member, "key": key, "selecting": selecting}
            request.exchange.trace.append(story)

    async def _fetch(
        self, request: Request, below: Below, decision: Decision, flight: Flight | None, bare: bool = True
    ) -> Response:
        """Ask below, and store what may be stored."""
        fill = _Fill(keys.primary(request), request, self._clock(), self._store.mark(), flight, bare)
        assert decision.forward is not None
        stale = decision.entry
        asking = conditional.validators(Fields(stale.lines)) if stale is not None else []
        try:
            response = await below(_downward(fill, asking))
            if asking and stale is not None and response.status == 304:
                if conditional.confirms(Fields(stale.lines), response.fields):
                    return self._validated(fill, decision.forward, stale, response)
                # RFC 9111 §4.3.4: not about what is stored, so of no use to anybody
                response = await below(_downward(fill, []))
            return self._arrived(fill, decision.forward, response)
        except BaseException:
            self._land(fill, shared=None)
            request.exchange.cache_status.append(forwarded(self._label, decision.forward))
            raise

    def _validated(self, fill: _Fill, why: Forward, stale: Entry, answer: Response) -> Response:
        """A 304 for what is stored: update it, and answer with it."""
        now = self._clock()
        fields = updated(stale, answer.fields, now)
        verdict = self._judge(fill, stale.status, fields, now)
        terms = verdict if isinstance(verdict, Terms) else Terms(now, 0.0, validate=True, strict=True)
        fill.reads.update(dict.fromkeys(keys.observations(stale.selecting)))
        tags = tuple(dict.fromkeys((*stale.tags, *answer.tags)))
        entry = self._entry(fill, Response(stale.status, fields, stale.body, tags), terms, stale.body, now)
        kept = isinstance(verdict, Terms) and self._put(fill, entry)
        self._land(fill, shared=kept and entry.fresh_until > now)
        detail = verdict.value if isinstance(verdict, Refusal) else None
        member = forwarded(self._label, why, status=304, stored=kept, detail=detail)
        return self._answer(fill.request, entry, now, member)

    def _arrived(self, fill: _Fill, why: Forward, response: Response) -> Response:
        """A response from below: pass it on, and store it if that is allowed."""
        now = self._clock()
        verdict = self._judge(fill, response.status, response.fields, now)
        if isinstance(verdict, Terms) and (length_of(response.body) or 0) > self._max_object_size:
            verdict = Refusal.SIZE
        if isinstance(verdict, Refusal):
            self._land(fill, shared=False)
            return self._passed_on(fill, response, forwarded(self._label, why, detail=verdict.value))
        unmodified = (
            fill.bare
            and response.status == 200
            and conditional.not_modified(fill.request.fields, response.fields, now)
        )
        body = self._collected(fill, response, verdict, now, unread=unmodified)
        ttl = None if verdict.validate else int(verdict.fresh_until - now)
        if not unmodified:
            passed = Response(response.status, response.fields, body, response.tags)
            return self._passed_on(fill, passed, forwarded(self._label, why, stored=True, ttl=ttl))
        passed = Response(304, Fields(conditional.without_content(response.fields.lines)), b"", response.tags)
        return self._passed_on(fill, passed, forwarded(self._label, why, status=200, stored=True, ttl=ttl))

    def _collected(self, fill: _Fill, response: Response, terms: Terms, now: float, *, unread: bool) -> Body:
        """The body to pass on, which is stored by the time it has been read. unread: the client gets none of it."""
        keep = partial(self._keep, fill, response, terms, now)
        if isinstance(response.body, bytes):
            keep(response.body)
            return response.body
        tee = Tee(response.body, self._max_object_size, keep, partial(self._left, fill))
        if unread:
            self._drain(tee)
        return tee

    def _passed_on(self, fill: _Fill, response: Response, member: str) -> Response:
        fill.request.exchange.cache_status.append(member)
        self._trace(fill.request, member, keys.selecting(fill.reads, selecting_fields(response.fields) or frozenset()))
        passed = response.copy()
        add(passed.fields, member)
        return passed

    def _judge(self, fill: _Fill, status: int, fields: Fields, now: float) -> Terms | Refusal:
        if not keys.is_repeatable(fill.reads):
            return Refusal.UNREPEATABLE
        return judge(Received(fill.request.fields, status, fields, fill.asked_at, now, self._ttl))

    def _keep(self, fill: _Fill, response: Response, terms: Terms, now: float, body: bytes | Refusal) -> None:
        """The body has ended, or will not."""
        if isinstance(body, Refusal):
            self._land(fill, shared=False if body is Refusal.SIZE else None)
            return
        kept = False
        if keys.is_repeatable(fill.reads):
            entry = self._entry(fill, response, terms, body, now)
            kept = self._put(fill, entry)
        self._land(fill, shared=kept and terms.fresh_until > now)

    def _entry(self, fill: _Fill, response: Response, terms: Terms, body: bytes, now: float) -> Entry:
        selecting = keys.selecting(fill.reads, selecting_fields(response.fields) or frozenset())
        lines = stored_lines(response.status, response.fields, len(body), now)
        values = keys.values(fill.request, selecting)
        return Entry(response.status, lines, body, response.tags, terms, selecting, values, now)

    def _put(self, fill: _Fill, entry: Entry) -> bool:
        return len(entry.selecting) <= keys.MAX_SELECTING and self._store.put(fill.key, entry, fill.mark)

    def _left(self, fill: _Fill, tee: Tee) -> None:
        """The client went away in the middle of a body: go on only if others wait for it."""
        if fill.flight is None or not fill.flight.waiters:
            tee.abandon()
        else:
            self._drain(tee)

    def _drain(self, tee: Tee) -> None:
        task = asyncio.get_running_loop().create_task(tee.drain())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _land(self, fill: _Fill, *, shared: bool | None) -> None:
        if fill.flight is not None:
            self._flights.land(fill.flight, shared=shared)

    def explain(self, request: Request) -> Explanation:
        """What would be done with this request, without doing it."""
        key, now = keys.primary(request), self._clock()
        variants = self._store.peek(key)
        selections = variants.selections(request) if variants is not None else []
        count = variants.count if variants is not None else 0
        why = bypass(request)
        if why is not None:
            decision = Decision(None, Forward.METHOD if why == "method" else Forward.BYPASS, why)
        else:
            decision = decide(variants, request, wishes(request.fields), now)
        entry = decision.entry
        outcome = f"{self._label}; hit" if decision.forward is None else forwarded(self._label, decision.forward)
        age = int(now - entry.terms.born) if entry is not None else None
        ttl = int(entry.terms.born + entry.terms.lifetime - now) if entry is not None else None
        return Explanation(self.name, key, outcome, decision.reason, count, selections, age, ttl)


def _age(entry: Entry, now: float) -> Line:
    age = now - entry.terms.born
    return (b"age", b"%d" % age if age > 0 else b"0")  # a clock may be set back


def _unstorable(request: Request, asked: Directives) -> str | None:
    """Why a request that must go below brings nothing for the store: it goes as it is. A token."""
    if request.method == "HEAD":
        return "head"
    if "no-store" in asked:
        return Refusal.REQUEST_NO_STORE.value
    return None if b"range" not in request.fields else "range"


def _downward(fill: _Fill, asking: list[Line]) -> Request:
    """The request to pass below: with an observer of ours, and our own conditions in place of the client's."""
    down = fill.request.copy()
    down.observers += ((fill.reads, frozenset()),)
    if fill.bare or asking:
        down.fields = Fields([line for line in down.fields.lines if line[0] not in CONDITIONS] + asking)
        written(down, _CONDITION_SOURCES)
    return down
