"""One endpoint of an upstream: its connections, opened, shared and closed as its pool decides."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from proxy import errors
from proxy.codec.http1_client import encode_head
from proxy.errors import ProxyError
from proxy.exchange import Request, Response, length_of
from proxy.upstream.connect import Connect, Endpoint
from proxy.upstream.connection import Connection
from proxy.upstream.pool import Pool, Verdict

IDEMPOTENT = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))
"""RFC 9110 §9.2.2: asking twice is as good as asking once."""


INFINITY = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts are for each endpoint, times are in seconds.

    connect_timeout: for a connection to be opened, and for a busy one to become free.
    response_timeout: from the request sent to the response's head, and between two pieces of a body.
    idle_timeout: how long an unused connection is kept.
    """

    max_connections: int = 256
    max_waiting: int = 1024
    connect_timeout: float = 5.0
    response_timeout: float = 60.0
    idle_timeout: float = 60.0


class Sample(NamedTuple):
    """An endpoint, its connections in use and idle, requests sent to it and how many of them failed."""

    endpoint: str
    active: int
    idle: int
    requests: int
    failures: int


class Origin:
    def __init__(self, endpoint: Endpoint, limits: Limits, connect: Connect[Connection]) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._connect = connect
        self._pool: Pool[Connection, asyncio.Future[Connection]] = Pool(limits.max_connections, limits.max_waiting)
        self._connections: set[Connection] = set()
        self._openings: dict[asyncio.Future[Connection], asyncio.Task[None]] = {}
        self._draining = False
        self._requests = self._failures = 0

    @property
    def sample(self) -> Sample:
        """Counts for telemetry."""
        host, port = self._endpoint
        idle = self._pool.idle
        return Sample(f"{host}:{port}", self._pool.open - idle, idle, self._requests, self._failures)

    async def send(self, request: Request) -> Response:
        self._requests += 1
        try:
            return await self._send(request)
        except ProxyError:
            self._failures += 1
            raise

    async def _send(self, request: Request) -> Response:
        head = encode_head(
            request.method, request.target, request.authority, request.fields.lines, length_of(request.body)
        )
        connection = self._pool.take() or await self._wait(fresh=False)
        try:
            return await connection.send(request, head)
        except ProxyError:
            if not connection.stale or request.method not in IDEMPOTENT:
                raise
        connection = await self._wait(fresh=True)
        return await connection.send(request, head)

    def sweep(self, now: float) -> None:
        """Look at every deadline."""
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
        return self._pool.open > 0

    def drain(self) -> None:
        """Keep no idle connections from now on."""
        self._draining = True
        for connection in self._pool.empty():
            connection.close()

    def close(self) -> None:
        """Whoever uses or waits for a connection gets a ProxyError (destination_unavailable)."""
        self.drain()
        _, waiting = self._pool.expire(INFINITY, INFINITY)
        for waiter in waiting:
            _disappoint(waiter, _closing())
        for waiter, task in tuple(self._openings.items()):
            task.cancel()
            self._not_opened(waiter, _closing())
        for connection in tuple(self._connections):
            connection.close()

    def _refused(self, why: str) -> ProxyError:
        host, port = self._endpoint
        detail = f"all {self._limits.max_connections} connections to {host}:{port} are {why}"
        return ProxyError(errors.CONNECTION_LIMIT_REACHED, detail)

    async def _wait(self, *, fresh: bool) -> Connection:
        """A connection to use, when none is idle, or no idle one will do."""
        pool = self._pool
        if fresh and not pool.room and (idle := pool.take()) is not None:
            return idle
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Connection] = loop.create_future()
        verdict = pool.ask(waiter, loop.time(), fresh=fresh)
        if verdict is Verdict.FULL:
            raise self._refused(f"in use and {self._limits.max_waiting} requests wait for one")
        if verdict is Verdict.OPEN:
            self._open(waiter)
        try:
            connection = await waiter
        except asyncio.CancelledError:
            pool.leave(waiter)
            if not waiter.cancelled() and waiter.exception() is None and not waiter.result().closed:
                self._freed(waiter.result())
            raise
        if connection.closed and not fresh:  # since it was handed over
            return await self._wait(fresh=True)
        return connection

    def _open(self, waiter: asyncio.Future[Connection]) -> None:
        """In a task of its own, as the waiter may get another connection, or lose patience, in the meantime."""
        task = asyncio.get_running_loop().create_task(self._opening(waiter))
        self._openings[waiter] = task
        task.add_done_callback(lambda _: self._openings.pop(waiter))

    async def _opening(self, waiter: asyncio.Future[Connection]) -> None:
        try:
            connection = await self._connected()
        except ProxyError as error:
            self._not_opened(waiter, error)
        else:
            self._connections.add(connection)
            self._give(connection, self._pool.opened(waiter, connection, asyncio.get_running_loop().time()))

    def _not_opened(self, waiter: asyncio.Future[Connection], error: ProxyError) -> None:
        if self._pool.failed(waiter):
            _disappoint(waiter, error)
        self._open_next()

    async def _connected(self) -> Connection:
        limits = self._limits
        try:
            async with asyncio.timeout(limits.connect_timeout):
                connection = await self._connect(
                    self._endpoint, lambda: Connection(limits.response_timeout, self._freed, self._lost)
                )
        except TimeoutError as error:
            host, port = self._endpoint
            detail = f"no connection to {host}:{port} within {limits.connect_timeout:g} s"
            raise ProxyError(errors.CONNECTION_TIMEOUT, detail) from error
        if connection.closed:
            raise ProxyError(errors.CONNECTION_TERMINATED, "the origin closed the connection as soon as it was open")
        return connection

    def _freed(self, connection: Connection) -> None:
        if self._draining:
            connection.close()
        else:
            self._give(connection, self._pool.put(connection, asyncio.get_running_loop().time()))

    def _give(self, connection: Connection, waiter: asyncio.Future[Connection] | None) -> None:
        """To this waiter; if it has just been cancelled, to the next."""
        while waiter is not None and waiter.done():
            waiter = self._pool.put(connection, asyncio.get_running_loop().time())
        if waiter is not None:
            waiter.set_result(connection)

    def _lost(self, connection: Connection) -> None:
        if connection in self._connections:  # else it was lost before `_opening` had it
            self._connections.remove(connection)
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
