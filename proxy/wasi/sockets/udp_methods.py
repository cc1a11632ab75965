"""wasi:sockets/udp and udp-create-socket of 0.2."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface
from proxy.wasi.io import BadCall
from proxy.wasi.sockets import options
from proxy.wasi.sockets.errors import SocketFailed, answering, told
from proxy.wasi.sockets.network import Holder, Network
from proxy.wasi.sockets.readiness import Ready
from proxy.wasi.sockets.udp import Udp

AT_ONCE = 16
"""Datagrams that are received, or sent, in one call."""


class UdpSocket:
    """A `udp-socket`. Of its pairs of streams only the last works."""

    def __init__(self, udp: Udp) -> None:
        self.udp = udp
        self.bound = False
        """Whether that was started, and is to be finished."""
        self.streams: tuple[Datagrams, Datagrams] | None = None

    def pending(self) -> asyncio.Future[Any] | None:
        return None

    def start_bind(self, value: tuple[str, Any]) -> None:
        if self.bound:
            raise SocketFailed("concurrency-conflict")
        self.udp.bind(value)
        self.bound = True

    def finish_bind(self) -> None:
        if not self.bound:
            raise SocketFailed("not-in-progress")
        self.bound = False

    def stream(self, peer: tuple[str, Any] | None) -> tuple[Datagrams, Datagrams]:
        self.udp.local()  # it has to be bound
        if peer is not None:
            self.udp.connect(peer)
        elif self.udp.peer is not None:
            self.udp.disconnect()
        self.streams = (
            Datagrams(self, lambda udp: udp.opened.readable),
            Datagrams(self, lambda udp: udp.opened.writable),
        )
        return self.streams


class Datagrams:
    """An `incoming-datagram-stream` or `outgoing-datagram-stream`, as a pollable too."""

    def __init__(self, sock: UdpSocket, direction: Callable[[Udp], Ready]) -> None:
        self._sock = sock
        self._direction = direction
        sock.udp.opened.keep()

    @property
    def udp(self) -> Udp:
        if self._sock.streams is None or self not in self._sock.streams:
            raise SocketFailed("invalid-state")
        return self._sock.udp

    def pending(self) -> asyncio.Future[Any] | None:
        return self._direction(self._sock.udp).pending()

    def close(self) -> None:
        self._sock.udp.opened.leave()


def _receive(data: Holder, stream: Datagrams, most: int) -> list[dict[str, Any]]:
    udp = stream.udp
    found: list[dict[str, Any]] = []
    while len(found) < min(most, AT_ONCE):
        try:
            arrived = udp.receive()
        except (SocketFailed, OSError):
            if not found:
                raise
            break
        if arrived is None:
            break
        found.append({"data": arrived[0], "remote-address": arrived[1].value})
    return found


def _check_send(data: Holder, stream: Datagrams) -> int:
    return AT_ONCE if stream.udp.opened.writable.pending() is None else 0


def _send(data: Holder, stream: Datagrams, datagrams: list[dict[str, Any]]) -> int:
    """How many were sent. An error of the first is told, one of another when it is the first."""
    udp = stream.udp
    if len(datagrams) > AT_ONCE:
        raise BadCall("wasi:sockets/udp#outgoing-datagram-stream.send of more than check-send allowed")
    for count, each in enumerate(datagrams):
        try:
            if not udp.send(each["data"], udp.destination(each["remote-address"])):
                return count
        except (SocketFailed, OSError):
            if not count:
                raise
            return count
    return len(datagrams)


_RESULTS: dict[str, Callable[..., object]] = {
    "[method]udp-socket.start-bind": lambda data, sock, through, value: sock.start_bind(value),
    "[method]udp-socket.finish-bind": lambda data, sock: sock.finish_bind(),
    "[method]udp-socket.stream": lambda data, sock, peer: sock.stream(peer),
    "[method]udp-socket.local-address": lambda data, sock: sock.udp.local().value,
    "[method]udp-socket.remote-address": lambda data, sock: sock.udp.remote().value,
    **{
        f"[method]udp-socket.{name}": lambda data, sock, get=get: get(sock.udp)
        for name, (get, _) in options.UDP.items()
    },
    **{
        f"[method]udp-socket.set-{name}": lambda data, sock, value, set=set: set(sock.udp, value)
        for name, (_, set) in options.UDP.items()
    },
    "[method]incoming-datagram-stream.receive": _receive,
    "[method]outgoing-datagram-stream.check-send": _check_send,
    "[method]outgoing-datagram-stream.send": _send,
}
_VALUES: dict[str, Callable[..., object]] = {
    "[method]udp-socket.address-family": lambda data, sock: sock.udp.family,
    "[method]udp-socket.subscribe": lambda data, sock: sock,
    "[method]incoming-datagram-stream.subscribe": lambda data, stream: stream,
    "[method]outgoing-datagram-stream.subscribe": lambda data, stream: stream,
}


def interfaces(network: Network | None) -> dict[str, HostInterface]:
    def create(data: Holder, family: str) -> UdpSocket:
        if network is None:
            raise SocketFailed("access-denied")
        return UdpSocket(Udp(network, data.sockets, family))

    return {
        "sockets/udp": HostInterface(
            {name: answering(function, told) for name, function in _RESULTS.items()} | _VALUES,
            resources={
                "udp-socket": lambda data, sock: sock.udp.opened.leave(),
                "incoming-datagram-stream": lambda data, stream: stream.close(),
                "outgoing-datagram-stream": lambda data, stream: stream.close(),
            },
        ),
        "sockets/udp-create-socket": HostInterface({"create-udp-socket": answering(create, told)}),
    }
