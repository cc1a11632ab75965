"""TCP for guests: the states and operations of `tcp-socket`, which 0.2 and 0.3 offer each in its own way."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any

from proxy.wasi.sockets import places
from proxy.wasi.sockets.errors import SocketFailed
from proxy.wasi.sockets.network import Held, Network, OpenSocket
from proxy.wasi.sockets.places import Place
from proxy.wasi.waiting import until

CONNECT_PATIENCE = 10.0
"""Seconds until a peer has answered."""

BACKLOG = 16
MAX_BACKLOG = 128

MOST_READ = 64 * 1024

TRANSIENT = {
    errno.ECONNABORTED, errno.ENETDOWN, errno.EPROTO, errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.ENONET,
    errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ENETUNREACH,
}  # fmt: skip
"""Of a connection that was there to be accepted, not of the socket that listens (accept(2))."""


class Tcp:
    """Every operation raises SocketFailed or OSError."""

    def __init__(
        self, network: Network, held: Held, family: str, accepted: tuple[socket.socket, Place] | None = None
    ) -> None:
        if not (network.tcp or network.listen_tcp):
            raise held.refuse("TCP")
        self.family = family
        opened = accepted[0] if accepted else None
        self._peer = accepted[1] if accepted else None
        self.state = "unbound" if opened is None else "connected"
        self.opened = OpenSocket(network, held, socket.SOCK_STREAM, opened, family)
        self._network = network
        self._held = held
        self._backlog = BACKLOG

    def _expect(self, *states: str) -> None:
        self.opened.check()
        if self.state not in states:
            raise SocketFailed("invalid-state")

    # Beginning.

    def bind(self, value: tuple[str, Any]) -> None:
        self._expect("unbound")
        place = places.local(value, self.family)
        if not (self._network.listen_tcp.has(place.address, place.port) or place.is_any):
            raise self._held.refuse(f"to be bound to {place} over TCP")
        self.opened.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.opened.socket.bind(place.name)
        self.state = "bound"

    async def connect(self, value: tuple[str, Any]) -> None:
        place = self.may_connect(value)
        self.state = "connecting"
        try:
            await self._established(place)
            self.state, self._peer = "connected", place
        finally:
            if self.state != "connected":
                self.state = "closed"

    def may_connect(self, value: tuple[str, Any]) -> Place:
        """Where to, if that was granted."""
        self._expect("unbound", "bound")
        place = places.remote(value, self.family, unicast=True)
        if not self._network.tcp.covers(place.address, place.port, self._held.names(place.address)):
            raise self._held.refuse(f"{place} over TCP")
        return place

    async def _established(self, place: Place) -> None:
        error = self.opened.socket.connect_ex(place.name)
        loop = asyncio.get_running_loop()
        late = loop.time() + CONNECT_PATIENCE
        if error == errno.EINPROGRESS:
            while (future := self.opened.writable.pending()) is not None:
                left = late - loop.time()
                if left <= 0:
                    raise SocketFailed("timeout")
                await asyncio.wait([future], timeout=left)
            self._expect("connecting")
            error = self.opened.option(socket.SOL_SOCKET, socket.SO_ERROR)
        if error == errno.EADDRNOTAVAIL:  # there was no port left to be bound to (connect(2))
            raise SocketFailed("address-in-use")
        if error:
            raise OSError(error, os.strerror(error))

    def listen(self) -> None:
        self._expect("unbound", "bound")
        place = self.opened.local() if self.state == "bound" else None
        granted = self._network.listen_tcp
        if place is None:
            place = Place.any(self.family)
            allowed = granted.has(place.address, 0)
        else:
            # A port that the system has chosen is as good as the 0 that was asked for.
            allowed = granted.has(place.address, place.port) or granted.has(place.address, 0)
        if not allowed:
            raise self._held.refuse(f"to listen on {place} over TCP")
        self.opened.socket.listen(self._backlog)
        self.state = "listening"

    def accept(self) -> Tcp | None:
        """None when nobody is waiting."""
        self._expect("listening")
        while True:
            try:
                accepted, name = self.opened.socket.accept()
            except BlockingIOError:
                return None
            except OSError as error:
                if error.errno not in TRANSIENT:
                    raise
                continue
            try:
                return Tcp(self._network, self._held, self.family, (accepted, Place.told(name)))
            except SocketFailed:
                accepted.close()
                raise

    # Bytes.

    def receive(self, most: int) -> bytes | None:
        """b"" at the end, None when there is nothing yet."""
        self._expect("connected")
        try:
            return self.opened.socket.recv(min(most, MOST_READ))
        except BlockingIOError:
            return None

    def send(self, data: memoryview) -> int:
        """How much of it the kernel has taken."""
        self._expect("connected")
        try:
            return self.opened.socket.send(data, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return 0

    async def send_all(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self.send(rest) :]
            if rest:
                await until(self.opened.writable)

    def shut(self, how: int) -> None:
        """What the peer has ended already needs no shutting."""
        if not self.opened.closed and self.state == "connected":
            try:
                self.opened.socket.shutdown(how)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise

    # What it is.

    def local(self) -> Place:
        self._expect("bound", "connecting", "connected", "listening")
        return self.opened.local()

    def remote(self) -> Place:
        """Also when the peer has gone, and the system no longer knows it."""
        self._expect("connected")
        assert self._peer is not None
        return self._peer

    def set_backlog(self, value: int) -> None:
        if value == 0:
            raise SocketFailed("invalid-argument")
        self._expect("unbound", "bound", "listening")
        self._backlog = min(value, MAX_BACKLOG)
        if self.state == "listening":
            self.opened.socket.listen(self._backlog)
