"""What a component was granted of the network, and what one exchange holds of it."""

from __future__ import annotations

import asyncio
import resource
import select
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from proxy.config.sockets import Sockets
from proxy.upstream.dns import Resolver
from proxy.wasi.addresses import Address
from proxy.wasi.sockets.errors import SocketFailed
from proxy.wasi.sockets.places import FAMILIES, Place
from proxy.wasi.sockets.reach import Reach
from proxy.wasi.sockets.readiness import Ready
from proxy.wasi.waiting import Job

T = TypeVar("T")

MAX_SOCKETS = 64
"""That one exchange has open at once."""

MAX_MADE = 256
"""That one exchange makes in all: as many peers at most hear of it."""

MAX_LOOKUPS = 64
"""Of one exchange."""

GRACE = 1.0
"""Seconds that a peer has to take what was sent before the exchange ended."""

SHARE = 4
"""All components together have at most one of so many of the descriptors of the process."""


class Network:
    """Of one component, for all its exchanges."""

    open_in_all = 0
    """Sockets of all components of the process, now."""

    def __init__(self, granted: Iterable[Sockets], resolver: Resolver) -> None:
        given = tuple(granted)
        self.tcp = Reach(peer for each in given for peer in each.tcp)
        self.udp = Reach(peer for each in given for peer in each.udp)
        self.listen_tcp = Reach(peer for each in given for peer in each.listen_tcp)
        self.listen_udp = Reach(peer for each in given for peer in each.listen_udp)
        self.resolver = resolver
        self.open = 0
        """Sockets, now."""

    @property
    def names(self) -> frozenset[str]:
        return self.tcp.names | self.udp.names

    def enter(self) -> None:
        """One more socket. Raises SocketFailed."""
        if Network.open_in_all >= resource.getrlimit(resource.RLIMIT_NOFILE)[0] // SHARE:
            raise SocketFailed("new-socket-limit")
        Network.open_in_all += 1
        self.open += 1

    def leave(self) -> None:
        Network.open_in_all -= 1
        self.open -= 1


class Held:
    """Of one exchange: its sockets, and which names its addresses were found by. report: is told what was refused."""

    def __init__(self, report: Callable[[str], object]) -> None:
        self._report = report
        self._sockets: dict[OpenSocket, None] = {}
        self._names: dict[Address, set[str]] = {}
        self._made = 0
        self._over = False
        self.lookups = 0

    def names(self, address: Address) -> set[str]:
        return self._names.get(address, set())

    def found(self, name: str, address: Address) -> None:
        self._names.setdefault(address, set()).add(name)

    def refuse(self, what: str) -> SocketFailed:
        self._report(f"wasi:sockets: {what} is not granted")
        return SocketFailed("access-denied")

    def add(self, opened: OpenSocket) -> None:
        """Raises SocketFailed."""
        if self._over:
            raise SocketFailed("closed")
        if len(self._sockets) >= MAX_SOCKETS or self._made >= MAX_MADE:
            raise SocketFailed("new-socket-limit")
        self._made += 1
        self._sockets[opened] = None

    def remove(self, opened: OpenSocket) -> None:
        self._sockets.pop(opened, None)

    def close(self) -> None:
        """The exchange is over, which the guest may not have noticed yet."""
        self._over = True
        self._report = _nothing
        for opened in tuple(self._sockets):
            opened.end()


def _nothing(what: str) -> None:
    """Nobody is told any more."""


class Holder(Protocol):
    """An instance's data."""

    def job(self, coroutine: Coroutine[Any, Any, T]) -> Job[T]:
        """What is ended with the exchange."""

    @property
    def sockets(self) -> Held: ...


class OpenSocket:
    """A socket of the operating system, which is closed when the last who uses it leaves, and at the end of its
    exchange."""

    def __init__(self, network: Network, held: Held, kind: int, opened: socket.socket | None, family: str) -> None:
        """opened: one that was accepted, None for a new one. Raises SocketFailed, OSError."""
        self._network = network
        self._held = held
        self.closed = True
        held.add(self)
        try:
            network.enter()
        except SocketFailed:
            held.remove(self)
            raise
        self._kind = kind
        self._family = family
        self._options: dict[tuple[int, int], int] = {}
        try:
            self._use(opened or self._new())
        except OSError:
            held.remove(self)
            network.leave()
            raise
        self.closed = False
        self._users = 1
        self._sending = 0
        self._late: asyncio.TimerHandle | None = None

    def _new(self) -> socket.socket:
        made = socket.socket(FAMILIES[self._family], self._kind)
        if self._family == "ipv6":
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        return made

    def _use(self, opened: socket.socket) -> None:
        opened.setblocking(False)
        self.socket = opened
        self.readable = Ready(opened, select.POLLIN)
        self.writable = Ready(opened, select.POLLOUT)

    def renew(self) -> None:
        """Goes on with a new socket in the place of the one there was. Who waits for that tries again. Raises OSError,
        and is closed then."""
        self._let_go()
        try:
            self._use(self._new())
            for (level, name), value in self._options.items():
                self.socket.setsockopt(level, name, value)
        except OSError:
            self.close()
            raise

    def keep(self) -> None:
        self._users += 1

    def leave(self) -> None:
        self._users -= 1
        if not self._users:
            self.close()

    def sends(self) -> None:
        """From here to `sent` there are bytes of the guest's which the kernel does not have."""
        self.keep()
        self._sending += 1

    def sent(self) -> None:
        self._sending -= 1
        if self._late is not None and not self._sending:
            self.close()
        self.leave()

    def check(self) -> None:
        """Raises SocketFailed when it is closed."""
        if self.closed:
            raise SocketFailed("closed")

    def local(self) -> Place:
        return Place.told(self.socket.getsockname())

    def option(self, level: int, name: int, value: int | None = None) -> int:
        """Its value, which is set before to `value` unless that is None. Raises SocketFailed, OSError."""
        self.check()
        if value is not None:
            self.socket.setsockopt(level, name, value)
            self._options[level, name] = value
        return self.socket.getsockopt(level, name)

    def end(self) -> None:
        """The exchange is over: what it has sent still gets to the kernel, if that takes it soon."""
        if not self._sending:
            self.close()
        elif self._late is None:
            self._late = asyncio.get_running_loop().call_later(GRACE, self.close)

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._late is not None:
            self._late.cancel()
        self._let_go()
        self._held.remove(self)
        self._network.leave()

    def _let_go(self) -> None:
        self.readable.close()
        self.writable.close()
        self.socket.close()
