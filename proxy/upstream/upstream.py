"""Origin servers that serve the same content, as one thing to send requests to."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.upstream.balance import Balance, RoundRobin
from proxy.upstream.checks import Check, Checks
from proxy.upstream.connect import Connect, Endpoint, connect_clear
from proxy.upstream.connection import Connection
from proxy.upstream.discovery import Discovery, is_address
from proxy.upstream.dns import Lookup
from proxy.upstream.health import NEVER, Ejection, Health, State, may_eject
from proxy.upstream.limits import Limits
from proxy.upstream.origin import Origin
from proxy.upstream.retry import IDEMPOTENT, Budget, Retries, may_repeat, wait

logger = logging.getLogger(__name__)

SAME_AGAIN = frozenset((errors.CONNECTION_REFUSED, errors.CONNECTION_TERMINATED))
"""After these the same endpoint is asked again when there is no other: it may just have been restarted."""


@dataclass(frozen=True, slots=True)
class Policy:
    """hash_on: what of a request ConsistentHash goes by. slow_start: seconds until an endpoint that is new, or back,
    has its full part of the requests."""

    balance: Callable[[], Balance[Origin]] = RoundRobin
    hash_on: Callable[[Request], bytes | None] | None = None
    retries: Retries = Retries()  # noqa: RUF009 - frozen
    ejection: Ejection = Ejection()  # noqa: RUF009 - frozen
    check: Check | None = None
    slow_start: float = 0.0


class Upstream:
    """Sends each request to one of the endpoints, over connections shared by all clients.

    A deadline is noticed up to a quarter of the shortest timeout late, and no more than a second.
    """

    def __init__(
        self,
        name: str,
        endpoints: Sequence[Endpoint],
        limits: Limits = Limits(),  # noqa: B008 - frozen
        connect: Connect[Connection] = connect_clear,
        policy: Policy = Policy(),
        lookup: Lookup | None = None,
    ) -> None:
        """lookup: names are resolved by it, and each address is an endpoint; else by `connect`, for each connection."""
        self.name = name
        self.retries = 0
        """Requests that were sent once more."""
        self.retries_refused = 0
        """Those that would have been, but for the budget."""
        self._limits = limits
        self._connect = connect
        self._policy = policy
        self._balance = policy.balance()
        self._budget = Budget(policy.retries.budget)
        self._tick = min(4.0, limits.connect_timeout, limits.response_timeout, limits.body_timeout, limits.idle_timeout)
        self._timer: asyncio.TimerHandle | None = None
        self._draining = False
        self._origins: list[Origin] = []
        self._usable: list[Origin] = []
        self._leaving: list[Origin] = []  # endpoints that are none any more, until their exchanges are over
        self._discovery: Discovery | None = None
        if lookup is not None and not all(is_address(endpoint.host) for endpoint in endpoints):
            self._discovery = Discovery(endpoints, lookup, self._change)
        self._checks = None if policy.check is None else Checks(name, policy.check, lambda: self.origins, self._refresh)
        self._change(endpoints if self._discovery is None else self._discovery.endpoints(), since=NEVER)

    def start(self) -> None:
        """Look names up and check endpoints from now on, in the running event loop; the first request does it too."""
        if self._draining:
            return
        if self._discovery is not None:
            self._discovery.start()
        if self._checks is not None:
            self._checks.start()

    async def send(self, request: Request, connect_by: float | None = None) -> Response:
        """The response, as soon as its head is there. ProxyError when there is none. connect_by: the time, by the event
        loop's clock, until which a connection is waited for; that of the limits holds as well.

        A request that may be repeated is sent once more when a connection that was idle turns out to be dead, and as
        the policy says when an endpoint fails.
        Cancelling, or closing the response's body before its end, closes the connection.
        """
        if self._timer is None:
            self._wake()
        if not self._usable and self._discovery is not None:
            await self._first_look_up(self._discovery)
        self._budget.earn()
        tried: list[Origin] = []
        origin = self._choose(request, self._usable)
        while True:
            outcome: Response | ProxyError
            try:
                outcome = await origin.send(request, connect_by)
                if outcome.status < 500:
                    origin.health.succeeded()
                    return outcome
                origin.health.erred()
            except ProxyError as error:
                outcome = error
            self._judge(origin)
            tried.append(origin)
            following = self._next(request, tried, outcome)
            if following is None:
                break
            if isinstance(outcome, Response) and not isinstance(outcome.body, bytes):
                outcome.body.close()
            if following is origin:
                await asyncio.sleep(wait(len(tried) - 1, random.random()))
            origin = following
        if isinstance(outcome, ProxyError):
            raise outcome
        return outcome

    # Which endpoint.

    def _choose(self, request: Request, usable: Sequence[Origin]) -> Origin:
        if len(usable) == 1:
            return usable[0]
        if not usable:
            raise self._no_endpoint()
        hash_on = self._policy.hash_on
        return self._balance.pick(usable, None if hash_on is None else hash_on(request), random.random)

    def _no_endpoint(self) -> ProxyError:
        failure = None if self._discovery is None else self._discovery.failure
        if not self._origins and failure is not None:
            return ProxyError(failure.failure, failure.detail)
        return ProxyError(errors.DESTINATION_UNAVAILABLE, f"no endpoint of {self.name} is healthy")

    async def _first_look_up(self, discovery: Discovery) -> None:
        waiting = asyncio.get_running_loop().create_task(discovery.first())  # we may not be in a task ourselves
        try:
            done, _ = await asyncio.wait([waiting], timeout=self._limits.connect_timeout)
        finally:
            waiting.cancel()
        if not done:
            detail = f"the names of {self.name} are not found within {self._limits.connect_timeout:g} s"
            raise ProxyError(errors.DNS_TIMEOUT, detail)

    def _judge(self, origin: Origin) -> None:
        """After a failure."""
        ejection = self._policy.ejection
        now = asyncio.get_running_loop().time()
        if not origin.health.due(ejection, now):
            return
        unusable = sum(each.health.state(now) is not State.HEALTHY for each in self._origins)
        if may_eject(unusable, len(self._origins), ejection.share):
            origin.health.eject(ejection, now)
            origin.ejections += 1
            seconds = origin.health.ejected_until - now
            logger.warning("upstream %s: %s is left out for %g s: its requests fail", self.name, origin.name, seconds)
            self._refresh()

    def _refresh(self) -> None:
        """What may be chosen, and for how much."""
        now = asyncio.get_running_loop().time()
        for origin in self._origins:
            origin.share = origin.weight * origin.health.factor(now, self._policy.slow_start)
        self._usable = [origin for origin in self._origins if origin.health.state(now) is State.HEALTHY]

    def _change(self, endpoints: Sequence[Endpoint], since: float | None = None) -> None:
        """There are these endpoints now. since: when the new ones of them came; None: now, if there were others."""
        if since is None:
            since = asyncio.get_running_loop().time() if self._origins else NEVER
        had = {origin.endpoint: origin for origin in self._origins}
        self._origins = [
            had.pop(each) if each in had else Origin(each, self._limits, self._connect, Health(since))
            for each in endpoints
        ]
        for gone in had.values():
            gone.drain()
            self._leaving.append(gone)
        if self._draining:
            self.drain()
        self._balance.change(self._origins)
        self._usable = self._origins
        if had or since != NEVER:
            self._refresh()

    # Once more.

    def _next(self, request: Request, tried: list[Origin], outcome: Response | ProxyError) -> Origin | None:
        """Where to send the request again, after this came of it; None when that is not to be."""
        if len(tried) > self._policy.retries.attempts or not self._worth(request, outcome):
            return None
        others = [origin for origin in self._usable if origin not in tried]
        again = isinstance(outcome, ProxyError) and outcome.failure in SAME_AGAIN and tried[-1] in self._usable
        if not others and not again:
            return None
        if not self._budget.spend():
            self.retries_refused += 1
            return None
        self.retries += 1
        return self._choose(request, others) if others else tried[-1]

    def _worth(self, request: Request, outcome: Response | ProxyError) -> bool:
        if isinstance(outcome, ProxyError):
            return may_repeat(request.method, outcome)
        repeatable = request.method in IDEMPOTENT and isinstance(request.body, bytes)
        return repeatable and outcome.status in self._policy.retries.statuses

    # Everything else.

    @property
    def origins(self) -> Sequence[Origin]:
        return self._origins

    def sweep(self, now: float) -> None:
        """Look at every deadline; now: as the event loop's clock tells it."""
        for origin in (*self._origins, *self._leaving):
            origin.sweep(now)
        for origin in self._origins:
            self._judge(origin)
        self._leaving = [origin for origin in self._leaving if origin.active]
        self._refresh()

    def drain(self) -> None:
        """Close the idle connections now and the others after the exchange that is going on. Requests are still
        taken, as an exchange keeps the chain it started with, each on a connection that is closed after it."""
        self._draining = True
        self._stop()
        for origin in self._origins:
            origin.drain()

    def give_up(self, most: int) -> int:
        """Close so many idle connections. Returns how many there were."""
        given_up = 0
        for origin in (*self._leaving, *self._origins):
            given_up += origin.give_up(most - given_up)
        return given_up

    def close(self) -> None:
        """Close all connections; exchanges that are going on fail."""
        self._stop()
        for origin in (*self._origins, *self._leaving):
            origin.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop(self) -> None:
        if self._discovery is not None:
            self._discovery.stop()
        if self._checks is not None:
            self._checks.stop()

    def _wake(self) -> None:
        """For the first request in a while."""
        self.start()
        self._refresh()
        self._timer = asyncio.get_running_loop().call_later(self._tick / 4, self._ticked)

    def _ticked(self) -> None:
        loop = asyncio.get_running_loop()
        self.sweep(loop.time())
        active = any(origin.active for origin in (*self._origins, *self._leaving))
        self._timer = loop.call_later(self._tick / 4, self._ticked) if active else None
