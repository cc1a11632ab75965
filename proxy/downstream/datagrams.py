"""The UDP sockets of a listener, and whose packets arrive on them."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Sequence
from typing import Any

from proxy.codec.quic import packets
from proxy.codec.quic.connection import Quic
from proxy.codec.quic.identity import CID_LENGTH
from proxy.downstream.http3_connection import Http3Connection
from proxy.downstream.refusals import Reason
from proxy.downstream.segments import Segments
from proxy.downstream.service import Company, Service

logger = logging.getLogger(__name__)

TOGETHER = 64
"""Packets that are read before any is answered: many that were sent together are one connection's."""

UNPROVEN = 64
"""Handshakes under way at once; more clients than these have to show first that their address is theirs, by a Retry.
A handshake costs milliseconds, and whoever makes up addresses could ask for any number of them."""

QUIET = 3.0
"""Seconds in which packets of unknown connections are not answered: of a process that is being replaced, some may come
here before it has sockets of its own."""

_LARGEST = 65_536


class Datagrams:
    """place: which worker this is, as connection IDs say it and the kernel finds the worker by it."""

    def __init__(self, service: Service, company: Company, sockets: Sequence[socket.socket], place: int) -> None:
        self._service = service
        self._company = company
        self._sockets = sockets
        self._place = place
        self.segments = Segments()
        self._routes: dict[bytes, Http3Connection] = {}
        self._routed: dict[Http3Connection, set[bytes]] = {}
        self._unproven: set[Http3Connection] = set()
        self._own: set[socket.socket] = set()
        self._buffer = memoryview(bytearray(_LARGEST))
        self._open = True
        self._quiet_until = service.clock.monotonic() + QUIET
        for each in sockets:
            each.setblocking(False)
            asyncio.get_running_loop().add_reader(each.fileno(), self._readable, each)

    @property
    def port(self) -> int:
        port: int = self._sockets[0].getsockname()[1]
        return port

    @property
    def lingers(self) -> bool:
        return self._open

    def close(self) -> None:
        """Take nothing new. The connections there are go on over sockets of their own, which the kernel prefers to
        those that others, or a process that takes over, go on reading."""
        if not self._open:
            return
        self._open = False
        loop = asyncio.get_running_loop()
        for connection in list(self._routed):
            if connection.peer is None:
                connection.abort()
            else:
                self._move_out(connection, loop)
        for each in self._sockets:
            loop.remove_reader(each.fileno())
            each.close()

    def _move_out(self, connection: Http3Connection, loop: asyncio.AbstractEventLoop) -> None:
        try:
            own = _beside(connection.socket, connection.peer)
        except OSError as error:
            logger.warning("the HTTP/3 connection of %s ends: %s", connection.client, error)
            connection.abort()
            return
        loop.add_reader(own.fileno(), self._readable, own)
        self._own.add(own)
        connection.move(own)

    # Packets.

    def _readable(self, via: socket.socket) -> None:
        buffer, touched = self._buffer, dict[Http3Connection, None]()
        now = self._service.clock.monotonic()
        for _ in range(TOGETHER):
            try:
                size, peer = via.recvfrom_into(buffer)
            except OSError:  # none is there; or the one before could not be delivered
                break
            connection = self._received(bytes(buffer[:size]), peer, via, now)
            if connection is not None:
                touched[connection] = None
        for connection in touched:
            connection.turn(now)

    def _received(self, datagram: bytes, peer: Any, via: socket.socket, now: float) -> Http3Connection | None:
        cid = packets.destination(datagram)
        if cid is None:
            return None
        connection = self._routes.get(cid)
        if connection is not None:
            connection.receive(datagram, peer, now)
        elif (connection := self._unknown(datagram, peer, via, now)) is not None:
            connection.receive(datagram, peer, now)
            connection.join()
        return connection

    def _unknown(self, datagram: bytes, peer: Any, via: socket.socket, now: float) -> Http3Connection | None:
        identity = self._service.identity
        if identity is None:
            return None
        if not packets.is_long(datagram):
            if now > self._quiet_until:
                self._say(packets.stateless_reset(datagram, identity), peer, via)
            return None
        asked = packets.opening(datagram, identity) if self._open else None
        if not isinstance(asked, packets.Opening):
            self._say(asked, peer, via)
            return None
        if not self._service.load.welcomes():
            self._service.refusals.add(Reason.OVERLOAD, str(peer[0]), "there is more to do than can be done", now)
            return None  # it tries again in a second, or over TCP
        address = f"{peer[0]} {peer[1]}"
        first = packets.original(asked, address, now, identity) if asked.token else None
        if first is not None:
            return self._begin(Quic(identity, self._place, first, asked.destination), asked.destination, peer, via)
        if len(self._unproven) < UNPROVEN:
            return self._begin(Quic(identity, self._place, asked.destination, None), asked.destination, peer, via)
        cid = self._place.to_bytes(2, "big") + secrets.token_bytes(CID_LENGTH - 2)
        self._say(packets.retry(asked, cid, address, now, identity), peer, via)
        return None

    def _begin(self, quic: Quic, asked: bytes, peer: Any, via: socket.socket) -> Http3Connection:
        connection = Http3Connection(self._service, self._company, self, quic, via, peer)
        self._routed[connection] = set()
        self._unproven.add(connection)
        for cid in (asked, quic.host_cid):
            self.route(connection, cid, True)
        return connection

    def _say(self, packet: bytes | None, peer: Any, via: socket.socket) -> None:
        if packet is not None:
            try:
                via.sendto(packet, peer)
            except OSError as error:
                logger.debug("nothing can be sent to %s: %s", peer, error)

    # What connections call.

    def route(self, connection: Http3Connection, cid: bytes, there: bool) -> None:
        if there and connection in self._routed:
            self._routes[cid] = connection
            self._routed[connection].add(cid)
        elif self._routes.get(cid) is connection:
            del self._routes[cid]
            self._routed[connection].discard(cid)

    def established(self, connection: Http3Connection) -> None:
        self._unproven.discard(connection)

    def forget(self, connection: Http3Connection) -> None:
        for cid in self._routed.pop(connection, ()):
            del self._routes[cid]
        self._unproven.discard(connection)
        if connection.socket in self._own:
            self._own.discard(connection.socket)
            asyncio.get_running_loop().remove_reader(connection.socket.fileno())
            connection.socket.close()


def _beside(shared: socket.socket, peer: Any) -> socket.socket:
    """A socket on the same port, for the packets of one client. OSError when it cannot be had."""
    own = socket.socket(shared.family, socket.SOCK_DGRAM)
    try:
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(shared.getsockname())
        own.connect(peer)
    except OSError:
        own.close()
        raise
    return own
