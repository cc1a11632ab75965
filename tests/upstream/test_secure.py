"""Origins over TLS and over Unix sockets: Python's own servers, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvloop

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import collect
from proxy.tls import client_context
from proxy.upstream import Endpoint, Limits, Upstream
from proxy.upstream.secure import Secured
from tests.listening import listening
from tests.patience import PATIENCE
from tests.tls.certificates import authority, issue
from tests.upstream.scripted import OK, PATIENT, Peer, Play, Scripted, answering, answering_once, request

Scenario = Callable[[], Coroutine[Any, Any, None]]
HOST = "origin.example"


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Scenario], None]:
    def start(scenario: Scenario) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(scenario(), PATIENCE))

    return start


@pytest.fixture
def ca(tmp_path: Path) -> Path:
    authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def server_side(directory: Path, *names: str, **how: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = issue(directory, *names, **how)
    context.load_cert_chain(files.certificate, files.key)
    return context


@contextlib.asynccontextmanager
async def origin(
    tls: ssl.SSLContext | None, connect: Secured, play: Play, limits: Limits = PATIENT
) -> AsyncIterator[tuple[Upstream, Scripted]]:
    scripted = Scripted(play)
    async with listening(scripted.serve, ssl=tls) as port:
        scripted.endpoint = Endpoint(HOST, port, "127.0.0.1", secure=True)
        upstream = Upstream("test", [scripted.endpoint], limits, connect)
        try:
            yield upstream, scripted
        finally:
            upstream.close()
            await asyncio.sleep(0.01)
    if scripted.failure is not None and not isinstance(scripted.failure, OSError):
        raise scripted.failure


@contextlib.contextmanager
def refusing(tls: ssl.SSLContext) -> Iterator[Endpoint]:
    """An origin that says with an alert why it shakes no hands; asyncio's just closes."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                secure = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with secure, contextlib.suppress(ConnectionError):
                    with pytest.raises(ssl.SSLError):
                        secure.do_handshake()
                    secure.shutdown(socket.SHUT_WR)
                    while secure.recv(1000):
                        pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Endpoint(HOST, listening.getsockname()[1], "127.0.0.1", secure=True)
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


async def _whole(upstream: Upstream) -> bytes:
    response = await upstream.send(request("GET"))
    return await collect(response.body, 100)


async def failure_of(upstream: Upstream) -> ProxyError:
    with pytest.raises(ProxyError) as caught:
        await upstream.send(request("GET"))
    return caught.value


def test_an_origin_that_is_who_it_should_be(run: Callable[[Scenario], None], tmp_path: Path, ca: Path) -> None:
    async def scenario() -> None:
        context = server_side(tmp_path, HOST)
        asked: list[str | None] = []
        context.sni_callback = lambda tls, name, context: asked.append(name)
        connect = Secured(client_context(["http/1.1"], ca=ca))
        async with origin(context, connect, answering(OK)) as (upstream, scripted):
            for _ in range(3):
                assert (await upstream.send(request("GET"))).status == 200
            assert len(scripted.peers) == 1
            assert asked == [HOST]

    run(scenario)


def test_bodies_go_both_ways(run: Callable[[Scenario], None], tmp_path: Path, ca: Path) -> None:
    size = 2 * 1024 * 1024

    async def echo(peer: Peer) -> None:
        head = await peer._reader.readuntil(b"\r\n\r\n")
        assert b"content-length: %d\r\n" % size in head
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        await peer.send(await peer._reader.readexactly(size))

    async def scenario() -> None:
        connect = Secured(client_context(["http/1.1"], ca=ca))
        async with origin(server_side(tmp_path, HOST), connect, echo) as (upstream, _):
            sent = bytes(range(256)) * (size // 256)
            response = await upstream.send(request("POST", "/", (), sent))
            assert await collect(response.body, size) == sent

    run(scenario)


def test_a_body_that_ends_with_its_connection_is_whole_only_if_tls_says_so(
    run: Callable[[Scenario], None], tmp_path: Path, ca: Path
) -> None:
    """RFC 9112 §9.8: an attacker can cut a connection, but not say that it is over."""

    async def cut(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhel")
        raw = peer._writer.get_extra_info("socket")
        with contextlib.closing(raw.dup() if hasattr(raw, "dup") else raw._sock.dup()) as copy:
            copy.shutdown(1)

    async def scenario() -> None:
        connect = Secured(client_context(["http/1.1"], ca=ca))
        context = server_side(tmp_path, HOST)
        async with origin(context, connect, answering_once(b"HTTP/1.1 200 OK\r\n\r\nhello")) as (upstream, _):
            response = await upstream.send(request("GET"))
            assert await collect(response.body, 100) == b"hello"
        async with origin(context, connect, cut) as (upstream, _):
            with pytest.raises(ProxyError) as caught:
                await _whole(upstream)
            assert caught.value.failure is errors.HTTP_RESPONSE_INCOMPLETE

    run(scenario)


def test_an_origin_that_somebody_else_vouches_for(run: Callable[[Scenario], None], tmp_path: Path) -> None:
    async def scenario() -> None:
        connect = Secured(client_context(["http/1.1"]))
        async with origin(server_side(tmp_path, HOST), connect, answering(OK)) as (upstream, scripted):
            error = await failure_of(upstream)
            assert error.failure is errors.TLS_CERTIFICATE_ERROR
            assert error.detail.startswith(f"{HOST} at 127.0.0.1:")
            assert "unable to get local issuer certificate" in error.detail
            assert not any(peer.got for peer in scripted.peers)

    run(scenario)


@pytest.mark.parametrize("name", ["other.example", "*.origin.example", "example"])
def test_a_certificate_of_another(run: Callable[[Scenario], None], tmp_path: Path, ca: Path, name: str) -> None:
    async def scenario() -> None:
        connect = Secured(client_context(["http/1.1"], ca=ca))
        async with origin(server_side(tmp_path, name), connect, answering(OK)) as (upstream, _):
            error = await failure_of(upstream)
            assert error.failure is errors.TLS_CERTIFICATE_ERROR
            assert "Hostname mismatch" in error.detail

    run(scenario)


def test_the_name_may_be_another_than_the_host(run: Callable[[Scenario], None], tmp_path: Path, ca: Path) -> None:
    async def scenario() -> None:
        connect = Secured(client_context(["http/1.1"], ca=ca), server_name="other.example")
        async with origin(server_side(tmp_path, "other.example"), connect, answering(OK)) as (upstream, _):
            assert (await upstream.send(request("GET"))).status == 200

    run(scenario)


def test_an_expired_certificate(run: Callable[[Scenario], None], tmp_path: Path, ca: Path) -> None:
    made = authority().issue_cert(HOST, not_after=datetime(2020, 1, 1, tzinfo=UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.configure_cert(context)

    async def scenario() -> None:
        async with origin(context, Secured(client_context([], ca=ca)), answering(OK)) as (upstream, _):
            error = await failure_of(upstream)
            assert error.failure is errors.TLS_CERTIFICATE_ERROR
            assert error.detail.endswith("certificate has expired")

    run(scenario)


def test_an_address_is_verified_too(run: Callable[[Scenario], None], tmp_path: Path, ca: Path) -> None:
    async def scenario() -> None:
        connect = Secured(client_context(["http/1.1"], ca=ca))
        for names, status in (("127.0.0.1",), 200), ((HOST,), None):
            async with origin(server_side(tmp_path, *names), connect, answering(OK)) as (_, scripted):
                by_address = replace(scripted.endpoint, host="127.0.0.1")
                upstream = Upstream("test", [by_address], PATIENT, connect)
                if status is None:
                    assert (await failure_of(upstream)).failure is errors.TLS_CERTIFICATE_ERROR
                else:
                    assert (await upstream.send(request("GET"))).status == status
                upstream.close()

    run(scenario)


def test_whoever_answers_when_nothing_is_verified(run: Callable[[Scenario], None], tmp_path: Path) -> None:
    async def scenario() -> None:
        connect = Secured(client_context(["http/1.1"], verify=False))
        context = server_side(tmp_path, "other.example", ca=trustme.CA())
        async with origin(context, connect, answering(OK)) as (upstream, _):
            assert (await upstream.send(request("GET"))).status == 200

    run(scenario)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_an_origin_that_wants_to_know_who_asks(
    run: Callable[[Scenario], None], tmp_path: Path, ca: Path, version: ssl.TLSVersion
) -> None:
    async def scenario() -> None:
        context = server_side(tmp_path, HOST)
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)
        ours = issue(tmp_path, "proxy.example").pair
        async with origin(context, Secured(client_context([], ca=ca, pair=ours)), answering(OK)) as (upstream, _):
            assert (await upstream.send(request("GET"))).status == 200
        with refusing(context) as endpoint:
            upstream = Upstream("test", [endpoint], PATIENT, Secured(client_context([], ca=ca)))
            error = await failure_of(upstream)
            assert error.failure is errors.TLS_ALERT_RECEIVED
            assert "refused with" in error.detail
            upstream.close()

    run(scenario)


def test_no_version_in_common(run: Callable[[Scenario], None], tmp_path: Path, ca: Path) -> None:
    async def scenario() -> None:
        context = server_side(tmp_path, HOST)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        connect = Secured(client_context([], ca=ca, min_version=ssl.TLSVersion.TLSv1_3))
        with refusing(context) as endpoint:
            upstream = Upstream("test", [endpoint], PATIENT, connect)
            error = await failure_of(upstream)
            assert error.failure is errors.TLS_ALERT_RECEIVED
            assert error.detail.endswith("refused with protocol version")
            upstream.close()

    run(scenario)


async def _plain(peer: Peer) -> None:
    await peer._reader.read(1)
    await peer.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")


async def _gone(peer: Peer) -> None:
    await peer._reader.read(1)


async def _silent(peer: Peer) -> None:
    await peer._reader.read()


@pytest.mark.parametrize(
    ("play", "failure"),
    [
        (_plain, errors.TLS_PROTOCOL_ERROR),
        (_gone, errors.CONNECTION_TERMINATED),
        (_silent, errors.CONNECTION_TIMEOUT),
    ],
)
def test_what_is_no_tls(run: Callable[[Scenario], None], play: Play, failure: errors.Failure) -> None:
    async def scenario() -> None:
        connect = Secured(client_context([]))
        limits = Limits(connect_timeout=0.3 if play is _silent else PATIENCE)
        async with origin(None, connect, play, limits) as (upstream, _):
            assert (await failure_of(upstream)).failure is failure

    run(scenario)


def test_a_unix_socket(run: Callable[[Scenario], None], tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "app.sock")
        scripted = Scripted(answering(OK))
        server = await asyncio.start_unix_server(scripted.serve, path)
        upstream = Upstream("test", [Endpoint("localhost", 80, path=path)], PATIENT)
        assert (await upstream.send(request("GET"))).status == 200
        assert upstream.origins[0].name == f"unix:{path}"
        upstream.close()
        server.close()

    run(scenario)


def test_a_unix_socket_that_nobody_listens_on(run: Callable[[Scenario], None], tmp_path: Path) -> None:
    async def scenario() -> None:
        path = str(tmp_path / "app.sock")
        upstream = Upstream("test", [Endpoint("localhost", 80, path=path)], PATIENT)
        error = await failure_of(upstream)
        assert error.failure is errors.CONNECTION_REFUSED
        assert error.detail == f"there is no socket {path}"
        upstream.close()

    run(scenario)


@pytest.mark.parametrize("agreed", ["http/1.1", "nothing"])
def test_http_2_has_to_be_agreed_on(run: Callable[[Scenario], None], tmp_path: Path, ca: Path, agreed: str) -> None:
    """RFC 9113 §3.2. What to change is in the message."""

    async def nothing(peer: Peer) -> None: ...

    async def scenario() -> None:
        context = server_side(tmp_path, HOST)
        if agreed == "http/1.1":
            context.set_alpn_protocols(["http/1.1"])
        connect = Secured(client_context(["h2", "http/1.1"], ca=ca), http2=True)
        async with origin(context, connect, nothing, Limits(http2=True)) as (upstream, _):
            error = await failure_of(upstream)
            assert error.failure is errors.TLS_PROTOCOL_ERROR
            assert f"agrees on {agreed} by ALPN, not on h2, which `protocol` of the upstream says" in error.detail

    run(scenario)


def test_an_origin_that_refuses_what_it_is_offered(run: Callable[[Scenario], None], ca: Path) -> None:
    async def scenario() -> None:
        with refusing_alpn() as endpoint:
            upstream = Upstream(
                "test", [endpoint], Limits(http2=True), Secured(client_context(["h2"], ca=ca), http2=True)
            )
            error = await failure_of(upstream)
            assert error.failure is errors.TLS_ALERT_RECEIVED
            assert "does not speak what it was offered by ALPN, which is the `protocol` of the upstream" in error.detail
            upstream.close()

    run(scenario)


@contextlib.contextmanager
def refusing_alpn() -> Iterator[Endpoint]:
    """Python's ssl cannot; so this is an alert of TLS 1.2, byte for byte (RFC 5246 §7.2, RFC 7301 §3.2)."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(bytes.fromhex("15 0303 0002 02 78"))
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield Endpoint(HOST, listening.getsockname()[1], "127.0.0.1", secure=True)
    finally:
        thread.join()
        listening.close()
