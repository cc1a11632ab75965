"""wasi:sockets 0.2, called as guests call it: what is started, finished and waited for."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Coroutine
from typing import Any

import pytest

from proxy.config.sockets import Sockets
from proxy.upstream.dns import Resolver
from proxy.wasi import io
from proxy.wasi.p3.sockets import TcpSocket
from proxy.wasi.p3.sockets import interfaces as p3_interfaces
from proxy.wasi.sockets import Held, Network, interfaces
from proxy.wasi.sockets.places import Place
from proxy.wasi.sockets.tcp import Tcp
from proxy.wasi.waiting import Job, until
from tests.ports import free_port

STREAMS = io.interfaces()["io/streams"].functions


class Data:
    """An instance's data."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.sockets = Held(self.refused.append)

    def job(self, coroutine: Coroutine[Any, Any, Any]) -> Job[Any]:
        return Job(coroutine)


class Host:
    """The functions by interface and name, of an instance that is granted this."""

    def __init__(self, **granted: list[str]) -> None:
        self.data = Data()
        self.network = Network([Sockets.model_validate(granted)], Resolver())
        self._offered = interfaces(self.network)

    def __call__(self, interface: str, name: str, *arguments: Any) -> Any:
        function: Any = self._offered[f"sockets/{interface}"].functions[name]
        return function(self.data, *arguments)

    def tcp(self, name: str, *arguments: Any) -> Any:
        return self("tcp", f"[method]tcp-socket.{name}", *arguments)

    def udp(self, name: str, *arguments: Any) -> Any:
        return self("udp", f"[method]udp-socket.{name}", *arguments)

    def created(self, kind: str) -> Any:
        case, made = self(f"{kind}-create-socket", f"create-{kind}-socket", "ipv4")
        assert case == "ok"
        return made

    def drop(self, interface: str, resource: str, each: object) -> None:
        self._offered[f"sockets/{interface}"].resources[resource](self.data, each)

    async def connected(self, port: int) -> tuple[Any, Any, Any]:
        sock = self.created("tcp")
        assert self.tcp("start-connect", sock, None, loopback(port)) == ("ok", None)
        await until(self.tcp("subscribe", sock))
        case, streams = self.tcp("finish-connect", sock)
        assert case == "ok"
        return sock, *streams


def loopback(port: int) -> tuple[str, dict[str, Any]]:
    return "ipv4", {"port": port, "address": (127, 0, 0, 1)}


def stream(name: str, *arguments: Any) -> Any:
    function: Any = STREAMS[f"[method]{name}"]
    return function(None, *arguments)


def err(code: str) -> tuple[str, str]:
    return "err", code


@pytest.fixture
def server() -> Any:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def test_one_operation_after_the_other(server: socket.socket) -> None:
    async def calling() -> None:
        host = Host(tcp=[f"127.0.0.1:{port_of(server)}"], listen_tcp=["127.0.0.1:0"])
        sock = host.created("tcp")
        for operation in ("bind", "connect", "listen"):
            assert host.tcp(f"finish-{operation}", sock) == err("not-in-progress")
        assert host.tcp("local-address", sock) == err("invalid-state")
        assert host.tcp("start-bind", sock, None, loopback(0)) == ("ok", None)
        assert host.tcp("start-bind", sock, None, loopback(0)) == err("concurrency-conflict")
        assert host.tcp("start-connect", sock, None, loopback(port_of(server))) == err("concurrency-conflict")
        assert host.tcp("finish-bind", sock) == ("ok", None)
        assert host.tcp("start-bind", sock, None, loopback(0)) == err("invalid-state")
        assert host.tcp("start-listen", sock) == ("ok", None)
        assert host.tcp("finish-listen", sock) == ("ok", None)
        assert host.tcp("is-listening", sock) is True
        assert host.tcp("accept", sock) == err("would-block")
        pollable = host.tcp("subscribe", sock)
        assert pollable.pending() is not None
        _, (_, where) = host.tcp("local-address", sock)
        with socket.create_connection(("127.0.0.1", where["port"])) as client:
            await until(pollable)
            _, (accepted, source, _) = host.tcp("accept", sock)
            assert host.tcp("remote-address", accepted) == ("ok", loopback(client.getsockname()[1]))
            client.sendall(b"hello")
            await until(source)
            assert stream("input-stream.read", source, 3) == ("ok", b"hel")
            assert stream("input-stream.read", source, 3) == ("ok", b"lo")
            assert stream("input-stream.read", source, 3) == ("ok", b"")
        await until(source)
        assert stream("input-stream.read", source, 3) == ("err", ("closed", None))
        assert not host.data.refused
        host.data.sockets.close()
        assert host.network.open == 0
        assert host.tcp("accept", sock) == err("connection-aborted")
        assert host("tcp-create-socket", "create-tcp-socket", "ipv4") == err("connection-aborted")

    asyncio.run(calling())


def test_a_connection_that_is_refused() -> None:
    async def calling() -> None:
        port = free_port()
        host = Host(tcp=[f"127.0.0.1:{port}"])
        sock = host.created("tcp")
        assert host.tcp("start-connect", sock, None, loopback(port + 1)) == err("access-denied")
        assert host.data.refused == [f"wasi:sockets: 127.0.0.1:{port + 1} over TCP is not granted"]
        assert host.tcp("start-connect", sock, None, loopback(port)) == ("ok", None)
        await until(host.tcp("subscribe", sock))
        assert host.tcp("finish-connect", sock) == err("connection-refused")
        assert host.tcp("start-connect", sock, None, loopback(port)) == err("invalid-state")
        host.drop("tcp", "tcp-socket", sock)
        assert host.network.open == 0

    asyncio.run(calling())


def test_a_socket_lives_as_long_as_its_streams(server: socket.socket) -> None:
    async def calling() -> None:
        host = Host(tcp=[f"127.0.0.1:{port_of(server)}"])
        sock, source, sink = await host.connected(port_of(server))
        peer, _ = server.accept()
        with peer:
            host.drop("tcp", "tcp-socket", sock)
            assert stream("output-stream.write", sink, b"still") == ("ok", None)
            assert peer.recv(10) == b"still"
            source.close()
            assert host.network.open == 1
            sink.close(None)
            assert host.network.open == 0
            assert peer.recv(10) == b""

    asyncio.run(calling())


def test_what_the_peer_does_not_take_waits_and_is_not_added_to(server: socket.socket) -> None:
    async def calling() -> None:
        host = Host(tcp=[f"127.0.0.1:{port_of(server)}"])
        sock, _, sink = await host.connected(port_of(server))
        peer, _ = server.accept()
        with peer:
            sent = 0
            while stream("output-stream.check-write", sink)[1]:
                assert stream("output-stream.write", sink, b"x" * io.WRITABLE) == ("ok", None)
                sent += io.WRITABLE
            assert stream("output-stream.check-write", sink) == ("ok", 0)
            flushed = asyncio.ensure_future(stream("output-stream.blocking-flush", sink))
            assert host.tcp("shutdown", sock, "send") == ("ok", None)
            assert stream("output-stream.check-write", sink) == ("err", ("closed", None))
            peer.setblocking(False)
            loop = asyncio.get_running_loop()
            taken = 0
            while data := await loop.sock_recv(peer, 1 << 20):
                taken += len(data)
            assert taken == sent  # and then the end, which was asked for before
            await flushed
        host.data.sockets.close()

    asyncio.run(calling())


def test_a_peer_that_resets(server: socket.socket) -> None:
    async def calling() -> None:
        host = Host(tcp=[f"127.0.0.1:{port_of(server)}"])
        _, source, sink = await host.connected(port_of(server))
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        await until(source)
        case, (kind, error) = stream("input-stream.read", source, 10)
        assert (case, kind) == ("err", "last-operation-failed")
        assert host("network", "network-error-code", error) == "connection-reset"
        case, (kind, error) = stream("output-stream.write", sink, b"x")
        assert (case, kind) == ("err", "last-operation-failed")
        assert host("network", "network-error-code", error) == "connection-reset"
        assert stream("output-stream.write", sink, b"x") == ("err", ("closed", None))
        assert host("network", "network-error-code", ValueError("of another kind")) is None
        host.data.sockets.close()

    asyncio.run(calling())


def test_shutting_each_direction(server: socket.socket) -> None:
    async def calling() -> None:
        host = Host(tcp=[f"127.0.0.1:{port_of(server)}"])
        sock, source, sink = await host.connected(port_of(server))
        peer, _ = server.accept()
        with peer:
            assert host.tcp("shutdown", sock, "receive") == ("ok", None)
            assert stream("input-stream.read", source, 10) == ("err", ("closed", None))
            assert stream("output-stream.write", sink, b"last") == ("ok", None)
            assert host.tcp("shutdown", sock, "both") == ("ok", None)
            assert stream("output-stream.write", sink, b"more") == ("err", ("closed", None))
            assert (peer.recv(10), peer.recv(10)) == (b"last", b"")
        assert host.tcp("remote-address", sock) == ("ok", loopback(port_of(server)))  # also of one that has gone
        host.data.sockets.close()

    asyncio.run(calling())


def test_a_peer_that_always_has_more_leaves_others_their_turn(server: socket.socket) -> None:
    """In 0.3, whose guests get their time anew with each piece."""

    async def calling() -> None:
        with socket.create_connection(server.getsockname()) as client, server.accept()[0] as peer:
            network = Network([Sockets.model_validate({"tcp": ["127.0.0.1:9"]})], Resolver())
            tcp = Tcp(network, Data().sockets, "ipv4", (client.dup(), Place.any("ipv4")))
            receive: Any = p3_interfaces()["sockets/types"].functions["[method]tcp-socket.receive"]
            arriving, _ = receive(None, TcpSocket(tcp))
            peer.sendall(b"x")
            reading = arriving.source.read()
            assert reading.send(None) is None
            with pytest.raises(StopIteration) as over:
                reading.send(None)
            assert over.value.value == b"x"
            tcp.opened.close()

    asyncio.run(calling())


def test_looking_up() -> None:
    async def calling() -> None:
        host = Host(tcp=["localhost:80"])
        following = "[method]resolve-address-stream.resolve-next-address"
        assert host("ip-name-lookup", "resolve-addresses", None, "other.example") == err("access-denied")
        assert host("ip-name-lookup", "resolve-addresses", None, "a b") == err("invalid-argument")
        _, answers = host("ip-name-lookup", "resolve-addresses", None, "localhost")
        assert host("ip-name-lookup", following, answers) == err("would-block")
        await until(host("ip-name-lookup", "[method]resolve-address-stream.subscribe", answers))
        found = []
        while (each := host("ip-name-lookup", following, answers)) != ("ok", None):
            found.append(each[1])
        assert ("ipv4", (127, 0, 0, 1)) in found
        assert host("ip-name-lookup", following, answers) == ("ok", None)
        host.network.resolver.close()

    asyncio.run(calling())


def test_datagrams() -> None:
    async def calling() -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other,
        ):
            for each in (peer, other):
                each.bind(("127.0.0.1", 0))
            port = peer.getsockname()[1]
            host = Host(udp=[f"127.0.0.1:{port}"])
            sock = host.created("udp")
            assert host.udp("finish-bind", sock) == err("not-in-progress")
            assert host.udp("stream", sock, None) == err("invalid-state")
            assert host.udp("start-bind", sock, None, loopback(0)) == err("access-denied")
            anywhere = ("ipv4", {"port": 0, "address": (0, 0, 0, 0)})
            assert host.udp("start-bind", sock, None, anywhere) == ("ok", None)
            assert host.udp("finish-bind", sock) == ("ok", None)
            _, (incoming, outgoing) = host.udp("stream", sock, None)
            receive, send = "[method]incoming-datagram-stream.receive", "[method]outgoing-datagram-stream.send"

            def datagram(content: bytes, to: object) -> dict[str, object]:
                return {"data": content, "remote-address": to}

            assert host("udp", receive, incoming, 5) == ("ok", [])
            assert host("udp", "[method]outgoing-datagram-stream.check-send", outgoing)[1] > 0
            asked = [datagram(b"one", loopback(port)), datagram(b"two", loopback(port)), datagram(b"three", None)]
            assert host("udp", send, outgoing, asked) == ("ok", 2)
            assert host("udp", send, outgoing, asked[2:]) == err("invalid-argument")
            assert host("udp", send, outgoing, [datagram(b"x", loopback(other.getsockname()[1]))]) == err(
                "access-denied"
            )
            data, where = peer.recvfrom(10)
            assert (data, peer.recv(10)) == (b"one", b"two")
            back = ("127.0.0.1", where[1])
            other.sendto(b"forged", back)
            for content in (b"a", b"b", b"c"):
                peer.sendto(content, back)
            await until(incoming)
            got = host("udp", receive, incoming, 2)
            assert got == ("ok", [datagram(b"a", loopback(port)), datagram(b"b", loopback(port))])
            _, (incoming2, outgoing2) = host.udp("stream", sock, loopback(port))
            assert host("udp", receive, incoming, 1) == err("invalid-state")
            assert host.udp("remote-address", sock) == ("ok", loopback(port))
            assert host("udp", send, outgoing2, asked[2:]) == ("ok", 1)
            assert peer.recv(10) == b"three"
            for each in (incoming, incoming2):
                host.drop("udp", "incoming-datagram-stream", each)
            for each in (outgoing, outgoing2):
                host.drop("udp", "outgoing-datagram-stream", each)
            host.drop("udp", "udp-socket", sock)
            assert host.network.open == 0

    asyncio.run(calling())
