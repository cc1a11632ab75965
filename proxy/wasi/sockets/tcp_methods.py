"""wasi:sockets/tcp and tcp-create-socket of 0.2."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface
from proxy.wasi.io import WRITABLE, StreamFailed
from proxy.wasi.sockets import options
from proxy.wasi.sockets.errors import SocketFailed, answering, told
from proxy.wasi.sockets.network import Holder, Network
from proxy.wasi.sockets.tcp import Tcp
from proxy.wasi.waiting import Job


class TcpInput:
    """What a peer sends, as an input stream."""

    def __init__(self, tcp: Tcp) -> None:
        self._tcp = tcp
        tcp.opened.keep()

    def pending(self) -> asyncio.Future[Any] | None:
        return self._tcp.opened.readable.pending()

    def read(self, data: Any, most: int) -> bytes | None:
        if most == 0:
            return b""
        try:
            found = self._tcp.receive(most)
        except (SocketFailed, OSError) as error:
            raise StreamFailed(str(error)) from error
        return b"" if found is None else found or None

    def close(self) -> None:
        self._tcp.opened.leave()


class TcpOutput:
    """What a peer is sent, as an output stream. What the kernel does not take at once waits here, and no more is taken
    meanwhile."""

    def __init__(self, tcp: Tcp) -> None:
        self._tcp = tcp
        self._job: Job[None] | None = None
        self._failed = False
        self._shut = False
        tcp.opened.keep()

    def pending(self) -> asyncio.Future[Any] | None:
        return None if self._job is None else self._job.pending()

    def room(self) -> int | None:
        if self._failed or self._shut or self._tcp.opened.closed:
            return None
        return WRITABLE if self.pending() is None else 0

    def write(self, data: Any, contents: bytes) -> None:
        try:
            sent = self._tcp.send(memoryview(contents))
        except (SocketFailed, OSError) as error:
            self._failed = True
            raise StreamFailed(str(error)) from error
        if sent < len(contents):
            self._tcp.opened.sends()
            self._job = Job(self._rest(contents[sent:]))

    async def _rest(self, contents: bytes) -> None:
        try:
            await self._tcp.send_all(contents)
        except (SocketFailed, OSError):
            self._failed = True
        else:
            if self._shut:
                self._tcp.shut(socket.SHUT_WR)
        finally:
            self._tcp.opened.sent()

    def shut(self) -> None:
        """Once all is sent."""
        self._shut = True
        if self.pending() is None:
            self._tcp.shut(socket.SHUT_WR)

    def close(self, data: Any) -> None:
        self._tcp.opened.leave()


class TcpSocket:
    """A `tcp-socket`, as a pollable too: ready when what was started can be finished."""

    def __init__(self, tcp: Tcp) -> None:
        self.tcp = tcp
        self.begun: str | None = None
        self.output: TcpOutput | None = None
        self._job: Job[None] | None = None

    def pending(self) -> asyncio.Future[Any] | None:
        if self._job is not None:
            return self._job.pending()
        return self.tcp.opened.readable.pending() if self.tcp.state == "listening" else None

    def begin(self, what: str) -> None:
        if self.begun is not None:
            raise SocketFailed("concurrency-conflict")
        self.begun = what

    def finish(self, what: str) -> None:
        if self.begun != what:
            raise SocketFailed("not-in-progress")
        if self._job is not None and self._job.pending() is not None:
            raise SocketFailed("would-block")
        job, self._job, self.begun = self._job, None, None
        if job is not None:
            job.result()

    def connect(self, value: tuple[str, Any]) -> None:
        self.tcp.may_connect(value)
        self.begin("connect")
        self._job = Job(self.tcp.connect(value))

    def streams(self) -> tuple[TcpInput, TcpOutput]:
        self.output = TcpOutput(self.tcp)
        return TcpInput(self.tcp), self.output


def _start(what: str, operation: Callable[[TcpSocket, Any], None]) -> Callable[..., None]:
    def start(data: Holder, sock: TcpSocket, *arguments: Any) -> None:
        if sock.begun is not None:
            raise SocketFailed("concurrency-conflict")
        operation(sock, arguments[-1] if arguments else None)
        sock.begun = what

    return start


def _finish_connect(data: Holder, sock: TcpSocket) -> tuple[TcpInput, TcpOutput]:
    sock.finish("connect")
    return sock.streams()


def _accept(data: Holder, sock: TcpSocket) -> tuple[TcpSocket, TcpInput, TcpOutput]:
    accepted = sock.tcp.accept()
    if accepted is None:
        raise SocketFailed("would-block")
    made = TcpSocket(accepted)
    return made, *made.streams()


def _shut(data: Holder, sock: TcpSocket, what: str) -> None:
    sock.tcp.opened.check()
    if sock.tcp.state != "connected":
        raise SocketFailed("invalid-state")
    if what != "send":
        sock.tcp.shut(socket.SHUT_RD)
    if what != "receive" and sock.output is not None:
        sock.output.shut()


_RESULTS: dict[str, Callable[..., object]] = {
    "start-bind": _start("bind", lambda sock, value: sock.tcp.bind(value)),
    "finish-bind": lambda data, sock: sock.finish("bind"),
    "start-connect": lambda data, sock, through, value: sock.connect(value),
    "finish-connect": _finish_connect,
    "start-listen": _start("listen", lambda sock, _: sock.tcp.listen()),
    "finish-listen": lambda data, sock: sock.finish("listen"),
    "accept": _accept,
    "local-address": lambda data, sock: sock.tcp.local().value,
    "remote-address": lambda data, sock: sock.tcp.remote().value,
    "set-listen-backlog-size": lambda data, sock, value: sock.tcp.set_backlog(value),
    "shutdown": _shut,
    **{name: lambda data, sock, get=get: get(sock.tcp) for name, (get, _) in options.TCP.items()},
    **{
        f"set-{name}": lambda data, sock, value, set=set: set(sock.tcp, value) for name, (_, set) in options.TCP.items()
    },
}
_VALUES: dict[str, Callable[..., object]] = {
    "is-listening": lambda data, sock: sock.tcp.state == "listening",
    "address-family": lambda data, sock: sock.tcp.family,
    "subscribe": lambda data, sock: sock,
}


def interfaces(network: Network | None) -> dict[str, HostInterface]:
    def create(data: Holder, family: str) -> TcpSocket:
        if network is None:
            raise SocketFailed("access-denied")
        return TcpSocket(Tcp(network, data.sockets, family))

    methods = {name: answering(function, told) for name, function in _RESULTS.items()} | _VALUES
    return {
        "sockets/tcp": HostInterface(
            {f"[method]tcp-socket.{name}": function for name, function in methods.items()},
            resources={"tcp-socket": lambda data, sock: sock.tcp.opened.leave()},
        ),
        "sockets/tcp-create-socket": HostInterface({"create-tcp-socket": answering(create, told)}),
    }
