"""UDP for guests: the operations of `udp-socket`, which 0.2 and 0.3 offer each in its own way."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from proxy.wasi.sockets import places
from proxy.wasi.sockets.errors import SocketFailed
from proxy.wasi.sockets.network import Held, Network, OpenSocket
from proxy.wasi.sockets.places import Place
from proxy.wasi.waiting import until

MOST = 65535
"""Bytes of a datagram."""

MOST_IGNORED = 64
"""Datagrams of others that are looked at before anything else has its turn."""


class Udp:
    """Every operation raises SocketFailed or OSError."""

    def __init__(self, network: Network, held: Held, family: str) -> None:
        if not (network.udp or network.listen_udp):
            raise held.refuse("UDP")
        self.family = family
        self.opened = OpenSocket(network, held, socket.SOCK_DGRAM, None, family)
        self.peer: Place | None = None
        self._network = network
        self._held = held
        self._bound: Place | None = None
        self._listens = False

    def _expect(self, state: bool) -> None:
        self.opened.check()
        if not state:
            raise SocketFailed("invalid-state")

    def bind(self, value: tuple[str, Any]) -> None:
        self._expect(self._bound is None)
        place = places.local(value, self.family)
        listens = self._network.listen_udp.has(place.address, place.port)
        if not (listens or place.is_any):
            raise self._held.refuse(f"to be bound to {place} over UDP")
        self._bind(place)
        self._listens = listens

    def _bind(self, place: Place) -> None:
        self.opened.socket.bind(place.name)
        self._bound = self.opened.local()

    def _bind_anywhere(self) -> None:
        if self._bound is None:
            self._bind(Place.any(self.family))

    def connect(self, value: tuple[str, Any]) -> None:
        self._expect(True)
        place = self._granted(value)
        self._bind_anywhere()
        if self.peer is not None:
            self.disconnect()
        self.opened.socket.connect(place.name)
        self.peer = place

    def disconnect(self) -> None:
        """The system cannot be told so from here: a new socket takes the place, and the options, of the old one."""
        self._expect(self.peer is not None)
        assert self._bound is not None
        self.peer = None
        self.opened.renew()
        self._bind(self._bound)

    def _granted(self, value: tuple[str, Any]) -> Place:
        place = places.remote(value, self.family, unicast=False)
        if not self._network.udp.covers(place.address, place.port, self._held.names(place.address)):
            raise self._held.refuse(f"{place} over UDP")
        return place

    def destination(self, value: tuple[str, Any] | None) -> Place:
        """Where a datagram goes: an address, or the peer of this socket."""
        self._expect(True)
        if value is None:
            if self.peer is None:
                raise SocketFailed("invalid-argument")
            return self.peer
        place = self._granted(value)
        if self.peer is not None and place != self.peer:
            raise SocketFailed("invalid-argument")
        return place

    def send(self, data: bytes, place: Place) -> bool:
        """Whether the kernel has taken it: there may be no room now."""
        self._expect(True)
        if len(data) > MOST:
            raise SocketFailed("datagram-too-large")
        self._bind_anywhere()
        try:
            if self.peer is not None:
                self.opened.socket.send(data)
            else:
                self.opened.socket.sendto(data, place.name)
        except BlockingIOError:
            return False
        return True

    def receive(self) -> tuple[bytes, Place] | None:
        """None when there is nothing of whom it may hear from."""
        self._expect(self._bound is not None)
        for _ in range(MOST_IGNORED):
            try:
                data, name = self.opened.socket.recvfrom(MOST)
            except BlockingIOError:
                return None
            place = Place.told(name)
            if self._listens or self._network.udp.covers(place.address, place.port, self._held.names(place.address)):
                return data, place
        return None

    async def arrived(self) -> tuple[bytes, Place]:
        """A peer that always has more leaves others their turn."""
        await asyncio.sleep(0)
        while (found := self.receive()) is None:
            await until(self.opened.readable)
            await asyncio.sleep(0)
        return found

    def local(self) -> Place:
        self._expect(self._bound is not None)
        return self.opened.local()

    def remote(self) -> Place:
        self._expect(self.peer is not None)
        assert self.peer is not None
        return self.peer
