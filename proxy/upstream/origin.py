"""One endpoint of an upstream: its connections, opened, shared and closed as its pool decides."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from math import inf
from typing import Any

from proxy import errors
from proxy.codec.http1_client import encode_head
from proxy.errors import ProxyError, Repeat, Side
from proxy.exchange import Request, Response, length_of
from proxy.upstream.connect import Connect, Endpoint
from proxy.upstream.connection import Connection
from proxy.upstream.health import Health
from proxy.upstream.limits import Limits
from proxy.upstream.multiplex import Multiplex
from proxy.upstream.pool import Pool, Verdict
from proxy.upstream.retry import IDEMPOTENT


class OutOfPatience(ProxyError):
    """Who asked wanted to wait no longer for a connection, which says nothing of the origin."""

    def __init__(self) -> None:
        super().__init__(errors.CONNECTION_TIMEOUT, "no connection within the time that the request has for it")


class Origin:
    """weight, share and load are what balancing goes by; requests, ejections, checks and failures (by RFC 9209
    type) are counted for telemetry."""

    def __init__(self, endpoint: Endpoint, limits: Limits, connect: Connect[Any], health: Health | None = None) -> None:
        self.name = str(endpoint)
        self.authority = endpoint.authority
        self.weight = endpoint.weight
        self.share = float(endpoint.weight)
        self.health = Health() if health is None else health
        self.requests = self.ejections = self.checks = self.checks_failed = 0
        self.failures: defaultdict[str, int] = defaultdict(int)
        self.endpoint = endpoint
        self._limits = limits
        self._connect = connect
        self._pool: Pool[Connection, asyncio.Future[Connection]] = Pool(limits.max_connections, limits.max_waiting)
        self._connections: set[Connection] = set()
        self._openings: dict[asyncio.Future[Connection], asyncio.Task[None]] = {}
        self._draining = False
        self._multiplex = Multiplex(endpoint, limits, connect) if limits.http2 else None

    @property
    def load(self) -> int:
        """Exchanges under way, and requests that wait for a connection."""
        return self._pool.load if self._multiplex is None else self._multiplex.load

    @property
    def connections(self) -> tuple[int, int]:
        """In use, and idle."""
        if self._multiplex is not None:
            return self._multiplex.connections
        return self._pool.open - self._pool.idle, self._pool.idle

    async def send(self, request: Request, connect_by: float | None = None) -> Response:
        """connect_by: by the event loop's clock; only for HTTP/1.1."""
        self.requests += 1
        if self._multiplex is not None:
            try:
                return await self._multiplex.send(request)
            except ProxyError as error:
                self._failed(error, error.repeat)
                raise
        head = encode_head(
            request.method,
            request.target,
            request.authority,
            request.fields,
            length_of(request.body),
            None if request.switch is None else request.switch.offer.protocol,
        )
        connection = self._pool.take() or await self._wait(fresh=False, by=connect_by)
        again = False
        while True:
            answer = connection.ask(request, head)
            try:
                return await answer
            except asyncio.CancelledError:
                connection.abandon(answer)
                raise
            except ProxyError as error:
                if again or not connection.stale or request.method not in IDEMPOTENT:
                    self._failed(error, connection.repeat)
                    raise
            again = True
            connection = await self._wait(fresh=True, by=connect_by)

    async def probe(self, request: Request) -> Response:
        """For a health check: on a connection of its own, which nobody else will get. Has no time limit but that of
        connecting; nothing of it is counted."""
        if self._multiplex is not None:
            return await self._multiplex.probe(request)
        connection = await self._connected(Connection.close)
        try:
            head = encode_head(request.method, request.target, request.authority, request.fields, 0)
            return await connection.ask(request, head)
        finally:
            connection.close()

    def _failed(self, error: ProxyError, repeat: Repeat) -> None:
        error.repeat = repeat
        self.failures[error.failure.type] += 1
        if error.failure.side is Side.UPSTREAM:
            self.health.failed()

    def sweep(self, now: float) -> None:
        """Look at every deadline."""
        if self._multiplex is not None:
            self._multiplex.sweep(now)
        for connection in tuple(self._connections):
            connection.check(now)
        limits = self._limits
        idle, late = self._pool.expire(now - limits.idle_timeout, now - limits.connect_timeout)
        for connection in idle:
            connection.close()
        for waiter in late:
            _disappoint(waiter, self._refused(f"in use for {limits.connect_timeout:g} s"))

    @property
    def active(self) -> bool:
        """There are deadlines to look at."""
        return self._pool.open > 0 or (self._multiplex is not None and self._multiplex.active)

    def drain(self) -> None:
        """Keep no idle connections from now on."""
        self._draining = True
        if self._multiplex is not None:
            self._multiplex.drain()
        for connection in self._pool.empty():
            connection.close()

    def give_up(self, most: int) -> int:
        """Close so many idle connections. Returns how many there were."""
        if self._multiplex is not None:
            return self._multiplex.give_up(most)
        idle = self._pool.give_up(most)
        for connection in idle:
            connection.close()
        return len(idle)

    def close(self) -> None:
        """Whoever uses or waits for a connection gets a ProxyError (destination_unavailable)."""
        if self._multiplex is not None:
            self._multiplex.close()
        self.drain()
        _, waiting = self._pool.expire(inf, inf)
        for waiter in waiting:
            _disappoint(waiter, _closing())
        for waiter, task in tuple(self._openings.items()):
            if task.cancel():  # else it has just ended by itself
                self._not_opened(waiter, _closing())
        for connection in tuple(self._connections):
            connection.close()

    def _refused(self, why: str) -> ProxyError:
        detail = f"all {self._limits.max_connections} connections to {self.name} are {why}"
        return ProxyError(errors.CONNECTION_LIMIT_REACHED, detail)

    async def _wait(self, *, fresh: bool, by: float | None) -> Connection:
        """A connection to use, when none is idle, or no idle one will do. by: the time until which it is waited for."""
        pool = self._pool
        if fresh and not pool.room and (idle := pool.take()) is not None:
            return idle
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection] = loop.create_future()
        verdict = pool.ask(waiter, loop.time(), fresh=fresh)
        if verdict is Verdict.FULL:
            full = self._refused(f"in use and {self._limits.max_waiting} requests wait for one")
            self._failed(full, Repeat.ANY)
            raise full
        if verdict is Verdict.OPEN:
            self._open(waiter)
        late = None if by is None else loop.call_at(by, self._give_up, waiter)
        try:
            connection = await waiter
        except asyncio.CancelledError:
            pool.leave(waiter)
            if not waiter.cancelled() and waiter.exception() is None and not waiter.result().closed:
                self._freed(waiter.result())
            raise
        except OutOfPatience:
            raise
        except ProxyError as error:
            self._failed(error, Repeat.ANY)
            raise
        finally:
            if late is not None:
                late.cancel()
        if connection.closed and not fresh:  # since it was handed over
            return await self._wait(fresh=True, by=by)
        return connection

    def _give_up(self, waiter: asyncio.Future[Connection]) -> None:
        """If it has none yet. One that is being opened for it is for others."""
        if not waiter.done():
            self._pool.leave(waiter)
            waiter.set_exception(OutOfPatience())

    def _open(self, waiter: asyncio.Future[Connection]) -> None:
        """In a task of its own, as the waiter may get another connection, or lose patience, in the meantime."""
        task = asyncio.get_running_loop().create_task(self._opening(waiter))
        self._openings[waiter] = task
        task.add_done_callback(lambda _: self._openings.pop(waiter))

    async def _opening(self, waiter: asyncio.Future[Connection]) -> None:
        try:
            connection = await self._connected(self._freed)
        except ProxyError as error:
            self._not_opened(waiter, error)
        else:
            self._connections.add(connection)
            self._give(connection, self._pool.opened(waiter, connection, connection.loop.time()))

    def _not_opened(self, waiter: asyncio.Future[Connection], error: ProxyError) -> None:
        if self._pool.failed(waiter):
            _disappoint(waiter, error)
        self._open_next()

    async def _connected(self, free: Callable[[Connection], None]) -> Connection:
        limits = self._limits
        try:
            async with asyncio.timeout(limits.connect_timeout):
                connection: Connection = await self._connect(
                    self.endpoint,
                    lambda: Connection(limits.response_timeout, limits.body_timeout, free, self._lost),
                )
        except TimeoutError as error:
            detail = f"no connection to {self.name} within {limits.connect_timeout:g} s"
            raise ProxyError(errors.CONNECTION_TIMEOUT, detail) from error
        if connection.closed:
            raise ProxyError(errors.CONNECTION_TERMINATED, "the origin closed the connection as soon as it was open")
        return connection

    def _freed(self, connection: Connection) -> None:
        if self._draining:
            connection.close()
        else:
            self._give(connection, self._pool.put(connection, connection.loop.time()))

    def _give(self, connection: Connection, waiter: asyncio.Future[Connection] | None) -> None:
        """To this waiter; if it has just been cancelled, to the next."""
        while waiter is not None and waiter.done():
            waiter = self._pool.put(connection, connection.loop.time())
        if waiter is not None:
            waiter.set_result(connection)

    def _lost(self, connection: Connection) -> None:
        if connection in self._connections:  # else it was lost before `_opening` had it
            self._connections.remove(connection)
            if connection.broken is not None:
                self._failed(connection.broken, Repeat.NEVER)
            self._pool.closed(connection)
            self._open_next()

    def _open_next(self) -> None:
        waiter = self._pool.next_to_open()
        if waiter is not None:
            self._open(waiter)


def _disappoint(waiter: asyncio.Future[Connection], error: ProxyError) -> None:
    if not waiter.done():
        waiter.set_exception(error)


def _closing() -> ProxyError:
    return ProxyError(errors.DESTINATION_UNAVAILABLE, "the proxy is closing its connections to the origin")
