"""Origin servers that serve the same content, as one thing to send requests to."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import cycle
from typing import Any

from proxy.exchange import Request, Response
from proxy.upstream.connect import Connect, Endpoint, connect_tcp
from proxy.upstream.connection import Connection
from proxy.upstream.origin import Limits, Origin, Sample


class Upstream:
    """Sends each request to the next endpoint in turn, over connections shared by all clients.

    A deadline is noticed up to a quarter of the shortest timeout late, and no more than a second.
    """

    def __init__(
        self,
        name: str,
        endpoints: Sequence[Endpoint],
        limits: Limits = Limits(),  # noqa: B008 - frozen
        connect: Connect[Connection] = connect_tcp,
    ) -> None:
        self.name = name
        self._origins = [Origin(endpoint, limits, connect) for endpoint in endpoints]
        self._turns = cycle(self._origins)
        self._tick = min(4.0, limits.connect_timeout, limits.response_timeout, limits.idle_timeout) / 4
        self._timer: asyncio.TimerHandle | None = None

    def send(self, request: Request) -> Coroutine[Any, Any, Response]:
        """The response, as soon as its head is there. ProxyError when there is none.

        A request that may be repeated is sent once more when a connection that was idle turns out to be dead.
        Cancelling, or closing the response's body before its end, closes the connection.
        """
        if self._timer is None:
            self._arm()
        return next(self._turns).send(request)

    def samples(self) -> list[Sample]:
        """For telemetry, one of each endpoint."""
        return [origin.sample for origin in self._origins]

    def sweep(self, now: float) -> None:
        """Look at every deadline; now: as the event loop's clock tells it."""
        for origin in self._origins:
            origin.sweep(now)

    def drain(self) -> None:
        """Close the idle connections now and the others after the exchange that is going on. Requests are still
        taken, as an exchange keeps the chain it started with, each on a connection that is closed after it."""
        for origin in self._origins:
            origin.drain()

    def close(self) -> None:
        """Close all connections; exchanges that are going on fail."""
        for origin in self._origins:
            origin.close()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._tick, self._ticked)

    def _ticked(self) -> None:
        self.sweep(asyncio.get_running_loop().time())
        self._timer = None
        if any(origin.active for origin in self._origins):
            self._arm()
