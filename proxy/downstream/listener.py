"""Accepting connections, watching over them, and the end of them."""

from __future__ import annotations

import asyncio
from functools import partial

from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.http2_connection import Http2Connection
from proxy.downstream.relayed import RelayedConnection
from proxy.downstream.secure import SecureConnection
from proxy.downstream.service import Company, Member, Service

SWEEP = 0.5
"""Seconds between two looks at what connections wait for: none of them has a timer of its own."""

BACKLOG = 2048


def by_protocol(service: Service, company: Company, protocol: str | None) -> asyncio.Protocol:
    """The connection for what ALPN calls a protocol (RFC 7301 §6). None: nothing was agreed on, or there is no
    TLS; what the client sends first then shows what it speaks."""
    if protocol == "h2" or "http/1.1" not in service.protocols:
        return Http2Connection(service, company)
    return DownstreamConnection(service, company)


class Listener:
    """The connections of one service, and the socket they come from once it is `open`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._connections: set[Member] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def open(self, host: str, port: int, *, reuse_port: bool = False) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self.connection, host, port, reuse_address=True, reuse_port=reuse_port or None, backlog=BACKLOG
        )
        self._timer = loop.call_later(SWEEP, self._watch)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(host, port) of each socket: a name may have several, and port 0 became a number."""
        return [socket.getsockname()[:2] for socket in self._server.sockets] if self._server else []

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def running(self) -> int:
        """Exchanges under way."""
        return sum(connection.running for connection in self._connections)

    def sweep(self) -> None:
        """End what has waited for too long, by the service's clock."""
        self.service.clock.tick()
        now = self.service.clock.monotonic()
        for connection in list(self._connections):
            connection.check(now)

    async def drain(self, grace: float) -> None:
        """Accept no more, close what is idle, answer what runs; end by force what is not done in `grace` seconds."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.drain()
        try:
            await asyncio.wait_for(self._empty.wait(), grace)
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
            await self._empty.wait()
        if self._timer is not None:
            self._timer.cancel()

    # What connections call.

    def connection(self) -> asyncio.Protocol:
        service = self.service
        return RelayedConnection(service, self, self._direct) if service.proxy_protocol else self._direct()

    def _direct(self) -> asyncio.Protocol:
        service = self.service
        if service.tls is None:
            return by_protocol(service, self, None)
        return SecureConnection(service, self, service.tls, partial(by_protocol, service, self))

    def joins(self, connection: Member) -> bool:
        """Returns whether there is room for it."""
        room = len(self._connections) < self.service.max_connections
        self._connections.add(connection)
        self._empty.clear()
        return room

    def leaves(self, connection: Member) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _watch(self) -> None:
        self.sweep()
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._watch)


async def serve(address: tuple[str, int], service: Service, *, reuse_port: bool = False) -> Listener:
    """Listen on (host, port); port 0 takes a free one. reuse_port: with other processes. OSError when it cannot."""
    listener = Listener(service)
    await listener.open(*address, reuse_port=reuse_port)
    return listener
