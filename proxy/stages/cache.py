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
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from math import floor
from typing import Any

from proxy.cache import key as keys
from proxy.cache.collapse import Offer
from proxy.cache.entry import Entry, Variants
from proxy.cache.fill import Fill, Settings
from proxy.cache.flight import Flight, Flights
from proxy.cache.invalidation import Invalidation
from proxy.cache.key import PLAIN, Key, Keying, Selecting, Values
from proxy.cache.lookup import (
    NO_EXCEPTIONS,
    SAFE,
    Decision,
    Exceptions,
    bypass,
    decide,
    is_plain,
    may_collapse,
    rest_of,
    unattended,
    unstorable,
)
from proxy.cache.missed import Missed
from proxy.cache.policy import DEFAULT, FAILED, Refusal, Rules, Terms, is_explicit, stands_in
from proxy.cache.purge import Purge
from proxy.cache.representation import representation
from proxy.cache.search import Searches, answers
from proxy.cache.status import Forward, add, age_line, collapsed, forwarded, hit, label, say, unstored
from proxy.cache.store import Front
from proxy.cache.tags import tagged
from proxy.cache.tee import Reader, Tee
from proxy.chain.stage import Below
from proxy.errors import ProxyError, Side
from proxy.exchange import Request, Response, collect
from proxy.exchange.eager import start
from proxy.exchange.observation import observed
from proxy.exchange.story import CacheStory, StageStory, url_of
from proxy.http import conditional
from proxy.http.cache_control import Directives, wishes
from proxy.http.fields import Fields

Refreshed = tuple[Key, Selecting, Values]

PATIENCE = 5.0
"""Seconds a request waits for others that bring what it may share, before it goes on its own."""


class Cache:
    """The stage. rules: what the standards leave open. keying: which requests are alike. exceptions: which ones it has
    no part in. max_object_size: bytes of body. clock: seconds since the epoch.

    place: names what stands below this stage. Stages that share a store answer with each other's entries only where
    it is the same, since an entry depends on what the stages that made it read; they invalidate each other's always.
    refreshed: told of each refresh in the background: its members of Cache-Status, this cache's last.
    """

    def __init__(
        self,
        name: str,
        store: Front,
        *,
        max_object_size: int,
        clock: Callable[[], float],
        rules: Rules = DEFAULT,
        keying: Keying = PLAIN,
        exceptions: Exceptions = NO_EXCEPTIONS,
        place: str = "",
        refreshed: Callable[[list[str]], None] = lambda members: None,
    ) -> None:
        self.name, self._label = name, label(name)
        self.store = store
        self._count_refresh = refreshed
        self._clock = clock
        self._place = place
        self._flights = Flights(clock)
        self._searches = Searches()
        self._keying = keying
        self._invalidation = Invalidation(store, keying, self._searches)
        self._exceptions = exceptions
        self._is_particular = keying != PLAIN or exceptions != NO_EXCEPTIONS
        self._settings = Settings(store, self._flights, rules, keying, self._searches, max_object_size, clock, place)
        self._background: set[asyncio.Task[None]] = set()
        self._tidying = False
        self.missed = Missed()
        self._refreshing: set[Refreshed] = set()

    async def __call__(self, request: Request, below: Below) -> Response:
        method = request.method
        if request.switch is not None:
            return await self._bypass(request, below, "upgrade")
        if self._is_particular and (method == "GET" or method == "HEAD"):
            if self._exceptions.cover(request):
                return await self._bypass(request, below, "exception")
            request = self._keying.canonical(request)
        if (method == "GET" or method == "HEAD") and is_plain(request) and request.body == b"":
            variants = self.store.get((request.scheme, request.authority, request.path, request.query))
            if variants is not None:
                entry = variants.match(request, self._place)
                now = self._clock()
                if entry is not None and now < entry.fresh_until:
                    return self._hit(request, entry, now)
        elif (why := bypass(request)) is not None:
            return await self._bypass(request, below, why)
        return await self._consider(request, below)

    def _hit(self, request: Request, entry: Entry, now: float) -> Response:
        """A fresh entry answers a request that asks for nothing special."""
        age, ttl = int(now - entry.terms.born), int(entry.fresh_until - now)
        said = entry.said
        if said is None or said.age != age or said.ttl != ttl:
            said = entry.said = say(entry.lines, self._label, age, ttl)
        exchange = request.exchange
        exchange.cache_status.append(said.member)
        if request.observers or exchange.trace is not None:
            self._tell(request, entry, said.member)
        body = b"" if request.method == "HEAD" else entry.body
        return Response(entry.status, Fields(said.lines), body, entry.tags)

    async def _bypass(self, request: Request, below: Below, why: str) -> Response:
        if request.exchange.trace is not None:
            self._begin(request, request.exchange.trace)
        forward, detail = (Forward.METHOD, None) if why == "method" else (Forward.BYPASS, why)
        member = unstored(self._label, forward, detail)
        if request.method == "POST":
            return await self._post(request, below, member)
        response = await self._pass(request, below, member)
        if request.method not in SAFE:
            self._invalidation.after(request, response)
        return response

    async def _post(self, request: Request, below: Below, member: str) -> Response:
        """RFC 9110 §9.3.3: an answer to POST that says that it is what a GET would get, and how long, is stored as
        that. It never answers a POST."""
        key = keys.primary(request)
        fill = Fill(self._settings, key, request, self._clock(), 0, None, bare=False)
        try:
            response = await fill.ask(below)
        except BaseException:
            request.exchange.cache_status.append(member)
            raise
        self._invalidation.after(request, response)
        location = response.fields.get(b"content-location")
        of_itself = location is not None and keys.reference(key, location) == key
        explicit = response.status == 200 and is_explicit(response.fields, self._settings.rules)
        if of_itself and explicit and not self._exceptions.cover(request):
            fill.mark = self.store.mark()  # after what was stored before has gone
            return self._arrived(fill, below, Forward.METHOD, response)
        request.exchange.cache_status.append(member)
        passed = response.copy()
        add(passed.fields, member)
        return passed

    async def _pass(self, request: Request, below: Below, member: str) -> Response:
        """Ask below without storing."""
        self.missed.add(keys.primary(request))
        try:
            response = tagged(await below(request), strip=self._settings.rules.strip_tags).copy()
        finally:
            request.exchange.cache_status.append(member)
        add(response.fields, member)
        return response

    async def _consider(self, request: Request, below: Below) -> Response:
        """Everything but the simplest hit: decide, wait for others, or ask below."""
        if request.exchange.trace is not None:
            self._begin(request, request.exchange.trace)
        key = keys.primary(request)
        asked = wishes(request.fields)
        first: Decision | None = None
        deadline: float | None = None
        while True:
            variants, decision = await self._look(key, request, asked)
            if decision.entry is None and (alike := self._searches.alike(key)) is not None:
                others, other = await self._look(alike, request, asked)
                if other.entry is not None and answers(other.entry, key, alike):
                    variants, decision = others, other
            now = self._clock()
            first = first or decision
            if decision.entry is not None and decision.forward is None:
                if decision.refresh:
                    self._refresh(request, below, decision.entry)
                return self._reused(request, decision.entry, now, first.forward)
            if "only-if-cached" in asked:  # RFC 9111 §5.2.1.7
                return self._only_if_cached(request)
            assert decision.forward is not None
            detail = unstorable(request, asked)
            if detail is not None:
                member = unstored(self._label, decision.forward, detail)
                return await self._pass(request, below, member)
            if request.method == "HEAD":
                return await self._head(request, below, decision)
            if b"range" in request.fields:
                return await self._fetch(request, below, decision, None, bare=False)
            selections = variants.selections(request, self._place) if variants is not None else ()
            what, flight = self._flights.find((key, frozenset(selections)), request)
            if self._flights.is_solitary(what):
                return await self._fetch(request, below, decision, None, bare=decision.entry is not None)
            if not may_collapse(asked):
                return await self._fetch(request, below, decision, None)
            if flight is not None and not self.store.is_current(key, flight.mark, flight.tags):
                self._flights.land(flight, shared=None)  # what it brings was deleted meanwhile
                flight = None
            if flight is None:
                return await self._lead(request, below, decision, self._flights.lead(what, self.store.mark()))
            if isinstance(flight.offer, Offer):
                return self._joined(request, below, flight.offer, first)
            loop = asyncio.get_running_loop()
            deadline = deadline or loop.time() + PATIENCE
            if loop.time() >= deadline:
                return await self._fetch(request, below, decision, None)
            if not await flight.landed(deadline - loop.time()):
                self._flights.land(flight, shared=None)  # whoever comes next need not wait for it as well

    def purge(self, purge: Purge) -> Future[None] | None:
        """Carry it out. Here it is done when this returns; what it returns ends when it is on disk as well, with an
        OSError where it cannot be written there."""
        selectors = purge.selectors(self._invalidation.stored_under)
        done = self.store.purge(selectors, self._clock() if purge.soft else None, purge.id)
        self._tidy()
        return done

    def _tidy(self) -> None:
        """Free what was purged, a little at a time."""
        if self.store.unswept and not self._tidying:
            self._tidying = True
            self._in_background(self._sweep())

    async def _sweep(self) -> None:
        for _ in self.store.sweep():
            await asyncio.sleep(0)
        self._tidying = False

    async def _look(self, key: Key, request: Request, asked: Directives) -> tuple[Variants | None, Decision]:
        """What is stored under a key, and what that means for a request."""
        variants = self.store.get(key)
        decision = decide(variants, request, self._place, asked, self._clock())
        if decision.entry is None and self.store.behind is not None:
            variants = await self.store.behind(key)
            self._tidy()  # others may have told what they purged
            decision = decide(variants, request, self._place, asked, self._clock())
        return variants, decision

    async def _lead(self, request: Request, below: Below, decision: Decision, flight: Flight) -> Response:
        """Ask below, for others too: as long as one of them waits it goes on."""
        fetch = start(self._fetch(request, below, decision, flight))
        return fetch if isinstance(fetch, Response) else await flight.tended(fetch)

    def _joined(self, request: Request, below: Below, offer: Offer, first: Decision) -> Response:
        """Take part in what arrives for another request."""
        assert first.forward is not None
        now = self._clock()
        alone = Fill(self._settings, keys.primary(request), request, now, self.store.mark(), None, bare=True)
        member = collapsed(self._label, first.forward, int(offer.terms.fresh_until - now))
        request.exchange.cache_status.append(member)
        self._trace(request, member, offer.selecting)
        response = offer.answer(request, partial(alone.ask, below))
        own = age_line(int(now - offer.terms.born)), (b"cache-status", member.encode())
        response.fields.lines = [*response.fields.lines, *own]
        return response

    def _reused(self, request: Request, entry: Entry, now: float, waited: Forward | None) -> Response:
        ttl = floor(entry.terms.fresh_until - now)  # negative when stale
        member = hit(self._label, ttl) if waited is None else collapsed(self._label, waited, ttl)
        return self._answer(request, entry, now, member)

    def _refresh(self, request: Request, below: Below, stale: Entry) -> None:
        """Fetch anew, for nobody in particular (RFC 5861 §3); once at a time."""
        what = (keys.primary(request), stale.selecting, stale.values)
        if what not in self._refreshing:
            self._refreshing.add(what)
            decision, mark = Decision(stale, Forward.STALE, "refresh"), self.store.mark()
            own = unattended(request, self._clock())
            fetch = self._fetch(own, below, decision, None, mark=mark)
            self._in_background(self._refreshed(fetch, what, own.exchange.cache_status))

    async def _refreshed(self, fetch: Awaitable[Response], what: Refreshed, members: list[str]) -> None:
        try:
            with suppress(ProxyError):  # the next request tries again
                body = (await fetch).body
                if isinstance(body, Reader):
                    await body.drain()
                elif not isinstance(body, bytes):
                    body.close()
        finally:
            self._refreshing.discard(what)
            self._count_refresh(members)

    async def _head(self, request: Request, below: Below, decision: Decision) -> Response:
        """RFC 9111 §4.3.5: an answer to HEAD updates what is stored, or tells that it is no longer what there is."""
        assert decision.forward is not None
        stored = decision.entry
        if stored is None or stored.status != 200:
            return await self._pass(request, below, unstored(self._label, decision.forward, "head"))
        key, now = keys.primary(request), self._clock()
        fill = Fill(self._settings, key, request, now, self.store.mark(), None, bare=False)
        try:
            response = await fill.ask(below)
        except BaseException:
            request.exchange.cache_status.append(unstored(self._label, decision.forward))
            raise
        now = self._clock()
        refusal = fill.described(stored, response, now) if response.status == 200 else Refusal.STATUS
        return self._passed_on(fill, response, forwarded(self._label, decision.forward, refusal))

    def _only_if_cached(self, request: Request) -> Response:
        member = f"{self._label}; detail=only-if-cached"
        request.exchange.cache_status.append(member)
        return Response(504, Fields([(b"content-length", b"0"), (b"cache-status", member.encode())]))

    def _answer(self, request: Request, entry: Entry, now: float, member: str) -> Response:
        """An entry as the answer: whole, a part of it, or that it has not changed since the client got it."""
        request.exchange.cache_status.append(member)
        self._tell(request, entry, member)
        response = representation(entry, request, now)
        own = age_line(int(now - entry.terms.born)), (b"cache-status", member.encode())
        response.fields.lines = [*response.fields.lines, *own]
        return response

    def _tell(self, request: Request, entry: Entry, member: str) -> None:
        """What the stages below read when the entry was made is what they would read now: the caches above, which
        see none of it, depend on it all the same."""
        for observation in keys.observations(entry.selecting):
            observed(request, observation)
        self._trace(request, member, entry.selecting)

    def _trace(self, request: Request, member: str, selecting: Selecting) -> None:
        trace = request.exchange.trace
        if trace is not None:
            open_ = (story for story in trace if isinstance(story, CacheStory) and story.name == self.name)
            story = next((story for story in open_ if not story.outcome), None) or self._begin(request, trace)
            story.outcome = member
            story.selecting = list(zip(selecting, keys.values(request, selecting), strict=True))

    def _begin(self, request: Request, trace: list[StageStory]) -> CacheStory:
        variants = self.store.peek(keys.primary(request))
        reason = "exception" if self._exceptions.cover(request) else bypass(request)
        if reason is None:
            reason = decide(variants, request, self._place, wishes(request.fields), self._clock()).reason
        count = variants.count if variants is not None else 0
        story = CacheStory(self.name, url_of(request), reason, count)
        trace.append(story)
        return story

    async def _fetch(
        self,
        request: Request,
        below: Below,
        decision: Decision,
        flight: Flight | None,
        bare: bool = True,
        mark: int | None = None,
    ) -> Response:
        """Ask below, and store what may be stored. mark: the moment of the decision, if it was before now."""
        key, mark = keys.primary(request), self.store.mark() if mark is None else mark
        self.missed.add(key)
        fill = Fill(self._settings, key, request, self._clock(), mark, flight, bare)
        assert decision.forward is not None
        fill.stored = decision.entry
        held = decision.entry if decision.forward is Forward.PARTIAL else None
        stale = decision.entry if held is None else None
        rest = rest_of(held) if held is not None and b"range" not in request.fields else []
        asking = conditional.validators(Fields(stale.lines)) if stale is not None else rest
        try:
            response = await fill.ask(below, asking)
            if rest and response.status in (206, 416):
                whole = await self._completed(fill, decision.forward, response)
                if whole is not None:
                    return whole
                response = await fill.ask(below)
            if asking and stale is not None and response.status == 304:
                if conditional.confirms(Fields(stale.lines), response.fields):
                    return self._validated(fill, decision.forward, stale, response)
                # RFC 9111 §4.3.4: not about what is stored, so of no use to anybody
                response = await fill.ask(below)
            if response.status in FAILED and stale is not None and self._may_stand_in(stale, request, answered=True):
                return self._instead(fill, decision.forward, stale, response)
            return self._arrived(fill, below, decision.forward, response)
        except ProxyError as error:
            return self._failed(fill, decision.forward, stale, error)
        except BaseException:
            fill.failed()
            raise

    async def _completed(self, fill: Fill, why: Forward, response: Response) -> Response | None:
        """The answer from a stored part and the rest of it, which has been asked for; None when they do not fit."""
        now = self._clock()
        verdict = fill.judge(response, now)
        if isinstance(verdict, Terms):
            body = await collect(response.body, self._settings.max_object_size)
            entry = fill.entry(response, verdict, now, body)
            if entry.status == 200:
                return self._answer(fill.request, entry, now, forwarded(self._label, why, fill.put(entry), status=206))
        elif not isinstance(response.body, bytes):
            response.body.close()
        return None

    def _failed(self, fill: Fill, why: Forward, stale: Entry | None, error: ProxyError) -> Response:
        """Nothing came from below: what is stored stands in, if it may. Raises the error otherwise."""
        fill.failed()
        origin = error.failure.side is Side.UPSTREAM
        if stale is not None and origin and self._may_stand_in(stale, fill.request, answered=False):
            return self._answer(fill.request, stale, self._clock(), unstored(self._label, why, error.failure.type))
        fill.request.exchange.cache_status.append(unstored(self._label, why))
        raise error

    def _may_stand_in(self, stale: Entry, request: Request, *, answered: bool) -> bool:
        return stands_in(stale.terms, wishes(request.fields), self._clock(), answered=answered)

    def _instead(self, fill: Fill, why: Forward, stale: Entry, response: Response) -> Response:
        """What is stored, in place of an answer that is an error (RFC 5861 §4)."""
        fill.failed()
        if not isinstance(response.body, bytes):
            response.body.close()
        return self._answer(fill.request, stale, self._clock(), unstored(self._label, why, status=response.status))

    def _validated(self, fill: Fill, why: Forward, stale: Entry, answer: Response) -> Response:
        """A 304 for what is stored: update it, and answer with it."""
        now = self._clock()
        entry, refusal = fill.validated(stale, answer, now)
        return self._answer(fill.request, entry, now, forwarded(self._label, why, refusal, status=304))

    def _arrived(self, fill: Fill, below: Below, why: Forward, response: Response) -> Response:
        """A response from below: pass it on, and store it if that is allowed."""
        now = self._clock()
        verdict = fill.judge(response, now)
        if isinstance(verdict, Refusal):
            fill.refused(verdict)
            return self._passed_on(fill, response, forwarded(self._label, why, verdict))
        refusal: Refusal | None = None
        body = response.body
        ended = partial(fill.ended, response, verdict, now)
        if isinstance(body, bytes):
            refusal = ended(body)
        else:
            tee = fill.tee(response, body, ended, partial(self._left, fill, below))
            body = tee.reader(partial(fill.ask, below))
            shared = now < verdict.fresh_until and response.status != 206
            fill.share(Offer(fill, response, verdict, now, tee) if shared else None)
        ttl = None if verdict.validate else int(verdict.fresh_until - now)
        if not fill.is_unmodified(response, now):
            passed = Response(response.status, response.fields, body, response.tags)
            return self._passed_on(fill, passed, forwarded(self._label, why, refusal, ttl=ttl))
        if isinstance(body, Reader):
            self._in_background(body.drain())
        passed = Response(304, Fields(conditional.without_content(response.fields.lines)), b"", response.tags)
        return self._passed_on(fill, passed, forwarded(self._label, why, refusal, status=200, ttl=ttl))

    def _passed_on(self, fill: Fill, response: Response, member: str) -> Response:
        fill.request.exchange.cache_status.append(member)
        if fill.request.exchange.trace is not None:
            self._trace(fill.request, member, fill.selecting(response))
        passed = response.copy()
        add(passed.fields, member)
        return passed

    def _left(self, fill: Fill, below: Below, tee: Tee) -> None:
        """The last reader went away in the middle of a body: go on only if others are about to read it."""
        if fill.flight is None or not fill.flight.waiters:
            tee.abandon()
        else:
            self._in_background(tee.reader(partial(fill.ask, below)).drain())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
