"""One endpoint that speaks HTTP/2: few connections, each with many exchanges."""

from __future__ import annotations

import asyncio
from collections import deque

from proxy import errors
from proxy.errors import ProxyError, Repeat
from proxy.exchange import Request, Response
from proxy.upstream.connect import Connect, Endpoint
from proxy.upstream.http2_connection import Http2Connection, Unprocessed
from proxy.upstream.limits import Limits

ATTEMPTS = 3
"""How often a request is sent that the origin does nothing for (RFC 9113 §8.7)."""


class Multiplex:
    """Another connection is opened when those there are have no room, up to `max_connections`; requests then wait."""

    def __init__(
        self,
        endpoint: Endpoint,
        limits: Limits,
        connect: Connect[Http2Connection],
    ) -> None:
        self._endpoint = endpoint
        self._limits = limits
        self._connect = connect
        self._connections: list[Http2Connection] = []
        self._opening: asyncio.Task[Http2Connection] | None = None
        self._waiting: deque[tuple[asyncio.Future[None], float]] = deque()
        self._draining = False

    @property
    def load(self) -> int:
        """Exchanges under way, and requests that wait for room."""
        return sum(connection.load for connection in self._connections) + len(self._waiting)

    @property
    def connections(self) -> tuple[int, int]:
        """Connections in use, and idle."""
        idle = sum(not connection.load for connection in self._connections)
        return len(self._connections) - idle, idle

    async def send(self, request: Request) -> Response:
        for attempt in range(1, ATTEMPTS + 1):
            connection = await self._with_room()
            try:
                return await connection.send(request)
            except Unprocessed as refused:
                if attempt == ATTEMPTS:
                    refused.error.repeat = Repeat.ANY
                    raise refused.error from None
        raise AssertionError

    async def _with_room(self) -> Http2Connection:
        """Who waits has come before who comes now."""
        since = asyncio.get_running_loop().time()
        waited = False
        while True:
            if (waited or not self._waiting) and (connection := self._free()) is not None:
                if waited:
                    self._wake()  # there may be room for more than one
                return connection
            if self._opening is None and len(self._connections) < self._limits.max_connections:
                self._opening = asyncio.get_running_loop().create_task(self._opened())
            if self._opening is not None:
                try:
                    opened = await asyncio.shield(self._opening)
                except ProxyError as error:
                    error.repeat = Repeat.ANY
                    raise
                if opened.closed:
                    detail = "the origin closed the connection as soon as it was open"
                    raise ProxyError(errors.CONNECTION_TERMINATED, detail)
            else:
                await self._wait(since, again=waited)
            waited = True

    def _free(self) -> Http2Connection | None:
        return next((connection for connection in self._connections if connection.room), None)

    async def probe(self, request: Request) -> Response:
        """On a connection of its own, which nobody else will get."""
        connection = await self._connected()
        try:
            return await connection.send(request)
        except Unprocessed as refused:
            raise refused.error from None
        finally:
            connection.close()

    async def _opened(self) -> Http2Connection:
        try:
            connection = await self._connected()
        finally:
            self._opening = None
        if not connection.closed:
            self._connections.append(connection)
        if self._draining:
            connection.drain()
        return connection

    async def _connected(self) -> Http2Connection:
        limits = self._limits
        try:
            async with asyncio.timeout(self._limits.connect_timeout):
                connection = await self._connect(
                    self._endpoint,
                    lambda: Http2Connection(limits.response_timeout, limits.body_timeout, self._changed, self._lost),
                )
        except TimeoutError as error:
            detail = f"no connection to {self._endpoint} within {limits.connect_timeout:g} s"
            raise ProxyError(errors.CONNECTION_TIMEOUT, detail) from error
        return connection

    async def _wait(self, since: float, *, again: bool) -> None:
        """For a change. again: it was this one's turn, and is so still."""
        if not again and len(self._waiting) >= self._limits.max_waiting:
            raise self._full(f"full and {self._limits.max_waiting} requests wait")
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (waiter, since)
        (self._waiting.appendleft if again else self._waiting.append)(place)
        try:
            await waiter
        except asyncio.CancelledError:
            if place in self._waiting:
                self._waiting.remove(place)
            elif not waiter.cancelled():
                self._wake()  # it was this one's turn
            raise

    def _full(self, why: str) -> ProxyError:
        detail = f"all {self._limits.max_connections} connections to {self._endpoint} are {why}"
        error = ProxyError(errors.CONNECTION_LIMIT_REACHED, detail)
        error.repeat = Repeat.ANY
        return error

    def sweep(self, now: float) -> None:
        """Look at every deadline."""
        for connection in list(self._connections):
            connection.check(now)
            if not connection.load and now - connection.idle_since > self._limits.idle_timeout:
                connection.close()
        patience = self._limits.connect_timeout
        while self._waiting and (self._waiting[0][0].done() or now - self._waiting[0][1] > patience):
            waiter, _ = self._waiting.popleft()
            if not waiter.done():
                waiter.set_exception(self._full(f"full for {patience:g} s"))

    @property
    def active(self) -> bool:
        """There are deadlines to look at."""
        return bool(self._connections) or bool(self._waiting)

    def drain(self) -> None:
        """Close idle connections now and the others after what is going on."""
        self._draining = True
        for connection in list(self._connections):
            connection.drain()

    def give_up(self, most: int) -> int:
        """Close so many idle connections. Returns how many there were."""
        idle = [connection for connection in self._connections if not connection.load][:most]
        for connection in idle:
            connection.close()
        return len(idle)

    def close(self) -> None:
        """Exchanges that are going on fail."""
        if self._opening is not None:
            self._opening.cancel()
        for waiter, _ in self._waiting:
            if not waiter.done():
                waiter.set_exception(
                    ProxyError(errors.DESTINATION_UNAVAILABLE, "the proxy is closing its connections to the origin")
                )
        self._waiting.clear()
        for connection in list(self._connections):
            connection.close()

    def _changed(self, connection: Http2Connection) -> None:
        if connection.room:
            self._wake()

    def _lost(self, connection: Http2Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        self._wake()

    def _wake(self) -> None:
        """The first who still waits looks again."""
        while self._waiting:
            waiter, _ = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
