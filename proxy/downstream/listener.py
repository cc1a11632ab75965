"""Accepting connections, watching over them, and the end of them."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from proxy.downstream.connection import DownstreamConnection
from proxy.downstream.http2_connection import Http2Connection
from proxy.downstream.overload import LOOK
from proxy.downstream.relayed import RelayedConnection
from proxy.downstream.secure import SecureConnection
from proxy.downstream.service import Company, Member, Service

if TYPE_CHECKING:
    from proxy.downstream.datagrams import Datagrams

SWEEP = 0.5
"""Seconds between two looks at what connections wait for: none of them has a timer of its own."""

BACKLOG = 2048

UNSENT = 256 * 1024
"""Bytes that the kernel takes of a connection beyond what is on its way: else it would fill its buffers, a megabyte and
more, for each client that does not read, and copying that holds up all others."""

REMEMBERED = 86_400
"""Seconds that clients may remember that HTTP/3 is spoken here (RFC 7838 §3.1)."""


def by_protocol(service: Service, company: Company, protocol: str | None) -> asyncio.Protocol:
    """The connection for what ALPN calls a protocol (RFC 7301 §6). None: nothing was agreed on, or there is no
    TLS; what the client sends first then shows what it speaks."""
    if protocol == "h2" or "http/1.1" not in service.protocols:
        return Http2Connection(service, company)
    return DownstreamConnection(service, company)


class Listener:
    """The connections of one service, and the sockets they come from once it is `open`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._connections: set[Member] = set()
        self._empty = asyncio.Event()
        self._empty.set()
        self._servers: list[asyncio.Server] = []
        self._datagrams: Datagrams | None = None
        self._retired = False
        self._timer: asyncio.TimerHandle | None = None

    async def open(
        self, sockets: Sequence[socket.socket], datagrams: Sequence[socket.socket] = (), place: int = 0
    ) -> None:
        """Accept from these, which are bound, and closed with the listener. Several processes may accept from one
        socket, each with its own duplicate: the kernel gives a connection to one that is not busy. OSError when another
        program listens there.

        datagrams: sockets of UDP for HTTP/3, which no other process reads, with the service's identity. place: which
        worker this is."""
        loop = asyncio.get_running_loop()
        for each in sockets:
            self._servers.append(await self._server(each))
        if datagrams:
            self._speak_http3(datagrams, place)
        self._timer = loop.call_later(SWEEP, self._watch)
        if self.service.max_exchanges is not None:
            loop.call_later(LOOK, self._look, loop.time() + LOOK, time.thread_time())

    async def _server(self, each: socket.socket) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if each.family != socket.AF_UNIX:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)  # connections inherit it
            return await loop.create_server(self.connection, sock=each, backlog=BACKLOG)
        if sys.version_info < (3, 13):
            return await loop.create_unix_server(self.connection, sock=each, backlog=BACKLOG)
        # Other processes go on with the socket, so its file stays.
        return await loop.create_unix_server(self.connection, sock=each, backlog=BACKLOG, cleanup_socket=False)

    def _speak_http3(self, datagrams: Sequence[socket.socket], place: int) -> None:
        from proxy.downstream.datagrams import Datagrams  # only where aioquic is sure to be installed

        self._datagrams = Datagrams(self.service, self, datagrams, place)
        said = f'h3=":{self._datagrams.port}"; ma={REMEMBERED}'
        self.service.alternative = (b"alt-svc", said.encode())

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """(host, port) of each TCP socket: a name may have several, and port 0 became a number."""
        names = [each.getsockname() for server in self._servers for each in server.sockets]
        return [name[:2] for name in names if isinstance(name, tuple)]

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def running(self) -> int:
        """Exchanges under way."""
        return sum(connection.running for connection in self._connections)

    def idle(self) -> Iterator[tuple[float, Member]]:
        """Connections that could be given up, with the time since when they are of no use."""
        for connection in self._connections:
            if (since := connection.idle_since) is not None:
                yield since, connection

    def sweep(self) -> None:
        """End what has waited for too long, by the service's clock."""
        self.service.clock.tick()
        now = self.service.clock.monotonic()
        for connection in list(self._connections):
            connection.check(now)

    async def drain(self, grace: float) -> None:
        """Accept no more, close what is idle, answer what runs; end by force what is not done in `grace` seconds."""
        self._accept_no_more()
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

    def retire(self) -> None:
        """Accept no more; whoever is connected is served once more, and told that it is the last time. Nothing is lost,
        so it may take as long as a connection may be idle."""
        self._accept_no_more()
        self._retired = True
        for connection in list(self._connections):
            connection.retire()

    async def left(self) -> None:
        """Until nobody is connected."""
        await self._empty.wait()

    def _accept_no_more(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._datagrams is not None:
            self._datagrams.close()

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
        if self.service.descriptors is not None:
            self.service.descriptors.accepted()
        if self._retired:
            connection.retire()
        return room

    def leaves(self, connection: Member) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()

    def _look(self, due: float, worked: float) -> None:
        """How late the event loop comes to it, and what it was busy with. due: when it was to; worked: seconds of the
        processor's time at the last look."""
        loop = asyncio.get_running_loop()
        now, works = loop.time(), time.thread_time()
        self.service.load.look(now - due, works - worked)
        if self._servers or self._connections:
            loop.call_later(LOOK, self._look, now + LOOK, works)

    def _watch(self) -> None:
        self.sweep()
        if self.service.descriptors is not None:
            self.service.descriptors.look()
        if not self._servers and not self._connections:
            return
        self._timer = asyncio.get_running_loop().call_later(SWEEP, self._watch)


async def serve(
    sockets: Sequence[socket.socket], service: Service, datagrams: Sequence[socket.socket] = (), place: int = 0
) -> Listener:
    """Serve who connects to these sockets."""
    listener = Listener(service)
    await listener.open(sockets, datagrams, place)
    return listener
