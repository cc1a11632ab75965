"""wasi:sockets 0.3: bytes of TCP go through streams, and what waits is asynchronous."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from proxy.component import HostFuture, HostInterface, HostStream, Source, resting
from proxy.sandbox import Trap
from proxy.wasi.p3.streams import GivenStream, Outcome, Taken, Whole, ready, running
from proxy.wasi.sockets import Holder, Network, options
from proxy.wasi.sockets.errors import OK, Result, SocketFailed, answering, told3
from proxy.wasi.sockets.lookup import Addresses, addresses_of
from proxy.wasi.sockets.places import written
from proxy.wasi.sockets.tcp import MOST_READ, Tcp
from proxy.wasi.sockets.udp import Udp
from proxy.wasi.waiting import until

REFUSED: Result = ("err", ("access-denied", None))
INVALID_STATE: Result = ("err", ("invalid-state", None))


EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
PAUSE = 0.1
"""Seconds until it is tried again to accept a connection for which this machine has too little."""


class TcpSocket:
    """A `tcp-socket`. Each direction can be taken once."""

    def __init__(self, tcp: Tcp) -> None:
        self.tcp = tcp
        self.sends = False
        self.receives = False


class _Arriving(Source):
    """What a peer sends: read from the socket when the guest reads."""

    def __init__(self, tcp: Tcp) -> None:
        self._tcp = tcp
        self._over = False
        self.outcome = Outcome()
        tcp.opened.keep()

    async def read(self) -> bytes:
        if self._over:
            return b""
        await asyncio.sleep(0)  # a peer that always has more leaves others their turn
        try:
            while (data := self._tcp.receive(MOST_READ)) is None:
                await until(self._tcp.opened.readable)
        except (SocketFailed, OSError) as error:
            self._end(told3(error))
            return b""
        if not data:
            self._end(OK)
        return data

    def _end(self, outcome: Result) -> None:
        self.outcome.tell(outcome)
        if not self._over:
            self._over = True
            self._tcp.opened.leave()

    def close(self) -> None:
        if not self._over:
            self._tcp.shut(socket.SHUT_RD)
        self._end(OK)


class _Incoming(Source):
    """Connections to a socket that listens. Those that are too many are closed at once."""

    def __init__(self, tcp: Tcp) -> None:
        self._tcp = tcp
        self._over = False
        tcp.opened.keep()

    async def read(self) -> list[TcpSocket]:
        while not self._over:
            await asyncio.sleep(0)
            try:
                accepted = self._tcp.accept()
            except SocketFailed as error:
                if error.code != "new-socket-limit":
                    break
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    break
                await asyncio.sleep(PAUSE)
            else:
                if accepted is not None:
                    return [TcpSocket(accepted)]
                await until(self._tcp.opened.readable)
        self.close()
        return []

    def close(self) -> None:
        if not self._over:
            self._over = True
            self._tcp.opened.leave()


def _receive(data: Holder, sock: TcpSocket) -> tuple[HostStream, HostFuture]:
    if sock.receives or sock.tcp.state != "connected" or sock.tcp.opened.closed:
        return HostStream(Whole()), ready(INVALID_STATE)
    sock.receives = True
    arriving = _Arriving(sock.tcp)
    return HostStream(arriving), HostFuture(arriving.outcome)


def _send(data: Holder, sock: TcpSocket, stream: GivenStream) -> HostFuture:
    if sock.sends or sock.tcp.state != "connected" or sock.tcp.opened.closed:
        Taken(stream).close()
        return ready(INVALID_STATE)
    sock.sends = True
    sock.tcp.opened.sends()
    return running(_sent(sock.tcp, Taken(stream)))


async def _sent(tcp: Tcp, stream: Taken) -> Result:
    try:
        while content := await stream.read():
            await tcp.send_all(content)
        tcp.shut(socket.SHUT_WR)
    except (SocketFailed, OSError) as error:
        return told3(error)
    except (Trap, RuntimeError):
        return "err", ("connection-aborted", None)  # the guest is no more
    finally:
        stream.close()
        tcp.opened.sent()
    return OK


def _listen(data: Holder, sock: TcpSocket) -> HostStream:
    sock.tcp.listen()
    return HostStream(_Incoming(sock.tcp))


async def _answered(work: Coroutine[Any, Any, object]) -> Result:
    try:
        return "ok", await work
    except (SocketFailed, OSError) as error:
        return told3(error)


# What needs nobody else is answered at once: only what is new from outside gives a guest its time anew.


def _connect(data: Holder, sock: TcpSocket, value: tuple[str, Any]) -> Result | Coroutine[Any, Any, Result]:
    try:
        sock.tcp.may_connect(value)
    except SocketFailed as error:
        return told3(error)
    return _answered(sock.tcp.connect(value))


@resting
def _send_datagram(
    data: Holder, udp: Udp, content: bytes, value: tuple[str, Any] | None
) -> Result | Coroutine[Any, Any, Result]:
    try:
        place = udp.destination(value)
        if udp.send(content, place):
            return OK
    except (SocketFailed, OSError) as error:
        return told3(error)

    async def later() -> None:
        sent = False
        while not sent:
            await until(udp.opened.writable)
            sent = udp.send(content, place)

    return _answered(later())


def _receive_datagram(data: Holder, udp: Udp) -> Result | Coroutine[Any, Any, Result]:
    async def arrived() -> tuple[bytes, tuple[str, Any]]:
        content, place = await udp.arrived()
        return content, place.value

    try:
        udp.local()
    except SocketFailed as error:
        return told3(error)
    return _answered(arrived())


async def _written(found: Addresses) -> list[object]:
    return list(map(written, await found))


_TCP_RESULTS: dict[str, Callable[..., object]] = {
    "bind": lambda data, sock, value: sock.tcp.bind(value),
    "listen": _listen,
    "get-local-address": lambda data, sock: sock.tcp.local().value,
    "get-remote-address": lambda data, sock: sock.tcp.remote().value,
    "set-listen-backlog-size": lambda data, sock, value: sock.tcp.set_backlog(value),
    **{f"get-{name}": lambda data, sock, get=get: get(sock.tcp) for name, (get, _) in options.TCP.items()},
    **{
        f"set-{name}": lambda data, sock, value, set=set: set(sock.tcp, value) for name, (_, set) in options.TCP.items()
    },
}
_TCP: dict[str, Callable[..., object]] = {
    "connect": _connect,
    "send": _send,
    "receive": _receive,
    "get-is-listening": lambda data, sock: sock.tcp.state == "listening",
    "get-address-family": lambda data, sock: sock.tcp.family,
}
_UDP_RESULTS: dict[str, Callable[..., object]] = {
    "bind": lambda data, udp, value: udp.bind(value),
    "connect": lambda data, udp, value: udp.connect(value),
    "disconnect": lambda data, udp: udp.disconnect(),
    "get-local-address": lambda data, udp: udp.local().value,
    "get-remote-address": lambda data, udp: udp.remote().value,
    **{f"get-{name}": lambda data, udp, get=get: get(udp) for name, (get, _) in options.UDP.items()},
    **{f"set-{name}": lambda data, udp, value, set=set: set(udp, value) for name, (_, set) in options.UDP.items()},
}
_UDP: dict[str, Callable[..., object]] = {
    "send": _send_datagram,
    "receive": _receive_datagram,
    "get-address-family": lambda data, udp: udp.family,
}


def _methods(resource: str, results: dict[str, Callable[..., object]], values: dict[str, Callable[..., object]]) -> Any:
    told = {name: answering(function, told3) for name, function in results.items()}
    return {f"[method]{resource}.{name}": function for name, function in (told | values).items()}


def interfaces(network: Network | None = None) -> dict[str, HostInterface]:
    """network: None refuses everything; else instances have a Holder as their data."""

    def create_tcp(data: Holder, family: str) -> TcpSocket:
        if network is None:
            raise SocketFailed("access-denied")
        return TcpSocket(Tcp(network, data.sockets, family))

    def create_udp(data: Holder, family: str) -> Udp:
        if network is None:
            raise SocketFailed("access-denied")
        return Udp(network, data.sockets, family)

    def resolve(data: Holder, name: str) -> Result | Coroutine[Any, Any, Result]:
        if network is None:
            return REFUSED
        try:
            found = addresses_of(network, data.sockets, name)
        except SocketFailed as error:
            return told3(error)
        return ("ok", list(map(written, found))) if isinstance(found, list) else _answered(_written(found))

    return {
        "sockets/types": HostInterface(
            {
                "[static]tcp-socket.create": answering(create_tcp, told3),
                "[static]udp-socket.create": answering(create_udp, told3),
                **_methods("tcp-socket", _TCP_RESULTS, _TCP),
                **_methods("udp-socket", _UDP_RESULTS, _UDP),
            },
            resources={
                "tcp-socket": lambda data, sock: sock.tcp.opened.leave(),
                "udp-socket": lambda data, udp: udp.opened.leave(),
            },
        ),
        "sockets/ip-name-lookup": HostInterface({"resolve-addresses": resolve}),
    }
