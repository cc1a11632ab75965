"""HTTP/3 over real sockets."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
import trustme
from aioquic.asyncio.client import connect
from aioquic.quic.connection import MAX_EARLY_DATA, QuicConnection
from aioquic.tls import SessionTicket

from proxy.codec.quic.identity import Credential, Identity
from proxy.config.values import Address
from proxy.downstream import Clock, Listener, Service, Timeouts, datagrams
from proxy.downstream.http3_connection import Http3Connection
from proxy.downstream.listener import serve
from proxy.downstream.overload import TURN, Load
from proxy.downstream.refusals import Refusals
from proxy.errors import HTTP_RESPONSE_INCOMPLETE, ProxyError
from proxy.exchange import Pipe, Request, Response, collect
from proxy.http.fields import Fields
from proxy.server.datagram_sockets import bind_both
from tests.codec.http3.talk import frame, headers
from tests.compiled import no_patch
from tests.downstream.wire import Handler
from tests.http3_client import Client, configuration, connected, head
from tests.patience import PATIENCE

CA = trustme.CA(key_type=trustme.KeyType.ECDSA)
CA_PEM = CA.cert_pem.bytes()


def credential(*names: str) -> Credential:
    made = CA.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
    return Credential.of(names, made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes())


KEY, NEXT = b"k" * 80, b"n" * 80
IDENTITY = Identity([credential("localhost")], b"secret", 30.0, lambda: (KEY,))


@asynccontextmanager
async def listening(handler: Handler, **options: Any) -> AsyncIterator[Listener]:
    options.setdefault("identity", IDENTITY)
    tcp, udp = bind_both(Address("127.0.0.1", 0), None, (), 1)
    listener = await serve(tcp, Service(handler, **options), udp)
    try:
        yield listener
    finally:
        await listener.drain(1)


@asynccontextmanager
async def talking(handler: Handler, *, window: int = 1 << 20, **options: Any) -> AsyncIterator[Client]:
    async with (
        listening(handler, **options) as listener,
        connected(listener.addresses[0][1], CA_PEM, window=window) as client,
    ):
        yield client


async def echo(request: Request) -> Response:
    body = await collect(request.body, 1 << 24)
    return Response(200, Fields([(b"x-method", request.method.encode())]), body or b"hello")


def test_a_get() -> None:
    async def main() -> None:
        async with talking(echo) as client:
            answer = await client.ask(head("/"))
            assert (answer.status, answer.body, answer.ended) == ("200", b"hello", "end")
            assert dict(answer.final)[b"x-method"] == b"GET"

    asyncio.run(main())


def test_with_too_much_to_do_no_handshake_begins() -> None:
    """The client tries again."""
    spent = TURN
    refused: list[tuple[str, str]] = []

    def count(*refusal: str) -> None:
        nonlocal spent
        refused.append((refusal[0], refusal[1]))
        spent = 0.0

    async def main() -> None:
        async with listening(echo, refusals=Refusals("there", count)) as listener:
            load = listener.service.load = Load(None, lambda: spent)
            load.look(late=1.0, worked=1.0)
            async with connected(listener.addresses[0][1], CA_PEM) as client:
                assert (await client.ask(head("/"))).status == "200"
        assert refused == [("there", "overload")]

    asyncio.run(main())


def test_a_post_with_trailers_on_both_sides() -> None:
    async def handler(request: Request) -> Response:
        body = await collect(request.body, 1 << 24)
        assert not isinstance(request.body, bytes)
        assert request.body.trailers is not None
        answer = Pipe()
        answer.feed(body)
        answer.end(Fields([(b"x-sum", request.body.trailers.get(b"x-sum") or b"")]))
        return Response(200, Fields(), answer)

    async def main() -> None:
        async with talking(handler) as client:
            number = client.begin(head("/", "POST"), end=False)
            client.send(number, b"hello")
            assert client.http is not None
            client.http.send_headers(number, [(b"x-sum", b"42")], True)
            client.transmit()
            answer = await client.until(number)
            assert (answer.status, answer.body, answer.ended) == ("200", b"hello", "end")
            assert answer.sections[-1] == [(b"x-sum", b"42")]

    asyncio.run(main())


def test_a_megabyte_both_ways_on_streams_at_once() -> None:
    bodies = [bytes(range(256)) * 2048, bytes(range(255, -1, -1)) * 2048]

    async def main() -> None:
        async with talking(echo) as client:
            answers = await asyncio.gather(*(client.ask(head("/", "POST"), body) for body in bodies))
            assert [answer.body for answer in answers] == bodies

    asyncio.run(main())


class Endless:
    """A body that counts what is taken of it."""

    length = None
    trailers = None

    def __init__(self) -> None:
        self.taken = 0
        self.closed = False

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        self.taken += 16_384
        return bytes(16_384)

    def close(self) -> None:
        self.closed = True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what is waited for is somebody else's
            await asyncio.sleep(0.005)


async def rest(moves: Callable[[], int]) -> int:
    """What a number is once it no longer moves."""
    before, now = -1, moves()
    while now != before:
        await asyncio.sleep(0.05)
        before, now = now, moves()
    return now


def test_a_client_that_does_not_read_holds_what_makes_the_response_until_it_gives_up() -> None:
    body = Endless()

    async def handler(request: Request) -> Response:
        return Response(200, Fields(), body)

    async def main() -> None:
        async with talking(handler, window=100_000) as client:
            client.quic._write_stream_limits = lambda *_, **__: None  # type: ignore[method-assign]
            client.quic._write_connection_limits = lambda *_, **__: None  # type: ignore[method-assign]
            number = client.begin(head("/"))
            await client.until(number, size=90_000)
            assert 100_000 <= await rest(lambda: body.taken) < 1_000_000
            client.quic.stop_stream(number, 0x10C)
            client.transmit()
            await until(lambda: body.closed)
            assert body.taken < 1_000_000

    asyncio.run(main())


def test_an_upload_that_nobody_reads_waits_in_its_client() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            if request.path == "/":
                return Response(200, Fields(), b"other")
            await gate.wait()
            return Response(200, Fields(), b"%d" % len(await collect(request.body, 1 << 24)))

        async with talking(handler) as client:
            number = client.begin(head("/upload", "POST"), end=False)
            client.send(number, bytes(2_000_000), end=True)
            sender = client.quic._streams[number].sender
            await until(lambda: sender.highest_offset > 200_000)
            assert await rest(lambda: sender.highest_offset) <= 256 * 1024
            assert (await client.ask(head("/"))).body == b"other"
            gate.set()
            assert (await client.until(number)).body == b"2000000"

    asyncio.run(main())


@pytest.mark.parametrize("how", ["reset", "stop", "close"])
def test_a_client_that_gives_up_ends_the_exchange(how: str) -> None:
    async def main() -> None:
        began, ended = asyncio.Event(), asyncio.Event()
        done: list[Any] = []

        async def handler(request: Request) -> Response:
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.set()
            raise AssertionError

        async with talking(handler, on_done=lambda *told: done.append(told)) as client:
            number = client.begin(head("/", "POST"), end=False)
            async with asyncio.timeout(PATIENCE):
                await began.wait()
                if how == "reset":
                    client.quic.reset_stream(number, 0x10C)
                elif how == "stop":
                    client.quic.stop_stream(number, 0x10C)
                else:
                    client.quic.close()
                client.transmit()
                await ended.wait()
            await asyncio.sleep(0)
        assert (done[0][1].status, done[0][3]) == (499, False)

    asyncio.run(main())


def test_interim_responses_and_continue() -> None:
    async def handler(request: Request) -> Response:
        assert request.exchange.inform is not None
        request.exchange.inform(103, Fields([(b"link", b"</style.css>")]))
        return Response(200, Fields(), await collect(request.body, 100))

    async def main() -> None:
        async with listening(handler) as listener, connected(listener.addresses[0][1], CA_PEM, speak=False) as client:
            number = client.write(headers(*head("/", "POST", (b"expect", b"100-continue"))))
            assert await client.statuses(number, 2) == [b"103", b"100"]
            client.write(frame(0, b"asked"), number=number, end=True)
            assert await client.statuses(number, 3) == [b"103", b"100", b"200"]

    asyncio.run(main())


async def broken(request: Request) -> Response:
    body = Pipe(length=100)
    body.feed(b"not all")
    body.fail(ProxyError(HTTP_RESPONSE_INCOMPLETE, "the origin is gone"))
    return Response(200, Fields(), body)


def test_a_response_that_breaks_off_is_reset() -> None:
    async def main() -> None:
        async with talking(broken) as client:
            answer = await client.ask(head("/"))
            assert answer.ended == "reset 0x102"

    asyncio.run(main())


def test_what_is_no_request_never_reaches_the_handler() -> None:
    asked: list[str] = []
    told: list[Any] = []

    async def handler(request: Request) -> Response:
        asked.append(request.path)
        return Response(200, Fields())

    async def main() -> None:
        listening_ = listening(handler, on_done=lambda *done: told.append(done))
        async with listening_ as listener, connected(listener.addresses[0][1], CA_PEM, speak=False) as client:
            client.write(b"\0" + frame(4), number=client.quic.get_next_available_stream_id(is_unidirectional=True))
            smuggled = headers(*head("/", "POST", (b"content-length", b"5"))) + frame(0, b"hello, and more")
            for data in (headers(*head("/a", "GET", (b"connection", b"close"))), smuggled):
                answer = await client.until(client.write(data, end=True))
                assert answer.ended == "reset 0x10e"
            good = client.write(headers(*head("/good")), end=True)
            await until(lambda: good in client.raw)

    asyncio.run(main())
    assert asked == ["/good"]
    assert told[0][0].exchange.failure == ("http_request_error", "b'connection', which only HTTP/1.1 has")


@no_patch
def test_who_shakes_hands_while_the_listener_retires_is_served_once() -> None:
    """However long it takes: until then it cannot hear that its next request is the last."""
    later = 0.0
    join = Http3Connection.join

    async def main() -> None:
        async with listening(echo, clock=Clock(monotonic=lambda: time.monotonic() + later)) as listener:

            def retire(connection: Http3Connection) -> None:
                nonlocal later
                join(connection)
                listener.retire()
                later = 10.0

            with patch.object(Http3Connection, "join", retire):
                async with connected(listener.addresses[0][1], CA_PEM) as client:
                    assert (await client.ask(head("/"))).status == "200"

    asyncio.run(main())


def test_draining_answers_what_is_under_way_and_refuses_the_rest() -> None:
    async def main() -> None:
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            await gate.wait()
            return Response(200, Fields(), bytes(300_000))

        async with listening(handler) as listener, connected(listener.addresses[0][1], CA_PEM) as client:
            number = client.begin(head("/"))
            await until(lambda: listener.running > 0)
            draining = asyncio.ensure_future(listener.drain(PATIENCE))
            await until(lambda: client.raw.get(3, b"").count(b"\x07\x01\x04") == 1)  # GOAWAY: this one is the last
            late = client.begin(head("/late"))
            assert (await client.until(late)).ended == "reset 0x10b"
            gate.set()
            assert len((await client.until(number)).body) == 300_000
            await draining
            assert (await client.terminated).error_code == 0x100

    asyncio.run(main())


def test_more_connections_than_may_be() -> None:
    async def main() -> None:
        counted: list[str] = []
        refusals = Refusals("", lambda _, reason: counted.append(reason))
        async with listening(echo, max_connections=1, refusals=refusals) as listener:
            port = listener.addresses[0][1]
            async with connected(port, CA_PEM) as client:
                with pytest.raises(ConnectionError):
                    async with connected(port, CA_PEM):
                        pass
                assert (await client.ask(head("/"))).status == "200"
        assert counted == ["connection_limit"]

    asyncio.run(main())


def test_a_client_that_agrees_on_no_protocol_is_counted() -> None:
    async def main() -> None:
        counted: list[str] = []
        refusals = Refusals("", lambda _, reason: counted.append(reason))
        async with listening(echo, refusals=refusals) as listener:
            configured = configuration(CA_PEM)
            configured.alpn_protocols = ["h4"]
            with pytest.raises(ConnectionError):
                async with connect("127.0.0.1", listener.addresses[0][1], configuration=configured):
                    pass
        assert counted == ["tls_other"]

    asyncio.run(main())


def test_a_client_that_falls_silent_within_its_handshake_is_counted() -> None:
    """A datagram is all that it sends."""

    async def main() -> None:
        counted: list[str] = []
        refusals = Refusals("", lambda _, reason: counted.append(reason))
        async with listening(echo, refusals=refusals, timeouts=Timeouts(header=0)) as listener:
            silent = QuicConnection(configuration=configuration(CA_PEM))
            silent.connect(("127.0.0.1", 0), 0.0)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for datagram, _ in silent.datagrams_to_send(0.0):
                    sender.sendto(datagram, listener.addresses[0])
            await until(lambda: counted == ["tls_timeout"])

    asyncio.run(main())


def test_a_client_that_does_not_trust_the_certificate_is_counted() -> None:
    async def main() -> None:
        counted: list[str] = []
        refusals = Refusals("", lambda _, reason: counted.append(reason))
        async with listening(echo, refusals=refusals) as listener:
            with pytest.raises(ConnectionError):
                async with connected(listener.addresses[0][1], CA_PEM, name="other.example"):
                    pass
            await until(lambda: listener.connections == 0)
        assert counted == ["tls_alert"]

    asyncio.run(main())


def resumable(*keys: bytes) -> Identity:
    return Identity([credential("localhost", "other.example")], b"secret", 30.0, lambda: keys)


async def session_of(port: int) -> SessionTicket:
    """Of a first connection."""
    came: asyncio.Queue[SessionTicket] = asyncio.Queue()
    async with connected(port, CA_PEM, on_session=came.put_nowait) as client:
        assert not client.quic.tls.session_resumed
        return await asyncio.wait_for(came.get(), PATIENCE)


async def resumes(port: int, session: SessionTicket, name: str = "localhost") -> bool:
    async with connected(port, CA_PEM, name=name, session=replace(session, server_name=name)) as client:
        assert (await client.ask(head("/"))).status == "200"
        return client.quic.tls.session_resumed


@pytest.mark.parametrize(
    ("keys", "name", "resumed"),
    [
        ((KEY,), "localhost", True),
        ((NEXT, KEY), "localhost", True),
        ((NEXT,), "localhost", False),
        ((KEY[:16] + NEXT[16:],), "localhost", False),
        ((KEY,), "other.example", False),
    ],
)
def test_a_session_is_resumed_by_whoever_has_the_key(keys: tuple[bytes, ...], name: str, resumed: bool) -> None:
    async def main() -> None:
        async with listening(echo, identity=resumable(KEY)) as one, listening(echo, identity=resumable(*keys)) as other:
            session = await session_of(one.addresses[0][1])
            assert await resumes(other.addresses[0][1], session, name) == resumed

    asyncio.run(main())


@pytest.mark.parametrize("place", [0, 16, 31, 40, -1])
def test_a_ticket_that_was_changed_is_none(place: int) -> None:
    async def main() -> None:
        async with listening(echo, identity=resumable(KEY)) as listener:
            port = listener.addresses[0][1]
            session = await session_of(port)
            ticket = bytearray(session.ticket)
            ticket[place] ^= 1
            assert not await resumes(port, replace(session, ticket=bytes(ticket)))
            assert not await resumes(port, replace(session, ticket=bytes(ticket[:16])))

    asyncio.run(main())


def test_early_data_is_not_taken() -> None:
    """No ticket offers it, so this client has made that up. What it sends early is sent again."""

    async def main() -> None:
        async with listening(echo, identity=resumable(KEY)) as listener:
            port = listener.addresses[0][1]
            session = await session_of(port)
            assert session.max_early_data_size is None
            session = replace(session, max_early_data_size=MAX_EARLY_DATA)
            async with connected(port, CA_PEM, session=session) as client:
                assert not client.quic.tls.early_data_accepted
                assert client.quic.tls.session_resumed
                assert (await client.ask(head("/"))).status == "200"

    asyncio.run(main())


def test_many_handshakes_have_to_show_their_address() -> None:
    async def main() -> None:
        async with listening(echo) as listener:
            with patch.object(datagrams, "UNPROVEN", 0):
                async with connected(listener.addresses[0][1], CA_PEM) as client:
                    assert client.quic._retry_count == 1
                    assert (await client.ask(head("/"))).status == "200"

    asyncio.run(main())


def test_a_client_whose_address_changes_goes_on() -> None:
    async def main() -> None:
        async with talking(echo) as client:
            assert (await client.ask(head("/"))).status == "200"
            before = client._transport
            loop = asyncio.get_running_loop()
            await loop.create_datagram_endpoint(lambda: client, local_addr=("::", 0))
            assert client._transport is not before
            answer = await client.ask(head("/"), bytes(100_000))
            assert len(answer.body) == 100_000
            after, client._transport = client._transport, before
            assert after is not None
            after.close()

    asyncio.run(main())


def test_garbage_harms_nobody() -> None:
    async def main() -> None:
        async with listening(echo) as listener:
            port = listener.addresses[0][1]
            async with connected(port, CA_PEM) as client:
                throwing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                seeded = random.Random(1)
                known = client.quic._peer_cid.cid
                for n in range(300):
                    begin = (b"\x40" + known, b"\xc0\0\0\0\1\x0a" + known, b"\xc0\0\0\0\1\x08", b"")[n % 4]
                    throwing.sendto(begin + seeded.randbytes(seeded.choice((0, 5, 40, 1200))), ("127.0.0.1", port))
                throwing.close()
                assert (await client.ask(head("/"))).status == "200"
                assert listener.connections == 1

    asyncio.run(main())


def test_what_goes_wrong_with_one_connection_is_the_end_of_that_one(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with listening(echo) as listener:
            port = listener.addresses[0][1]
            async with connected(port, CA_PEM) as client, connected(port, CA_PEM) as another:
                assert (await another.ask(head("/"))).status == "200"
                victim = next(iter(listener._connections))
                assert isinstance(victim, Http3Connection)
                with patch.object(victim._quic, "receive_datagram", side_effect=AssertionError("a bug")):
                    for each in (client, another):
                        each.begin(head("/"))
                    await until(lambda: listener.connections == 1)
                others = next(each for each in (client, another) if each.quic.host_cid != victim._quic._peer_cid.cid)
                assert (await others.ask(head("/"))).status == "200"
        assert "a bug" in caplog.text

    asyncio.run(main())


def test_an_idle_connection_is_ended() -> None:
    later = 0.0

    async def main() -> None:
        nonlocal later
        clock = Clock(monotonic=lambda: time.monotonic() + later)
        async with listening(echo, clock=clock) as listener, connected(listener.addresses[0][1], CA_PEM) as client:
            assert (await client.ask(head("/"))).status == "200"
            later = 76.0
            listener.sweep()
            async with asyncio.timeout(PATIENCE):
                assert (await client.terminated).error_code == 0x100
            assert listener.connections == 0

    asyncio.run(main())


def test_a_client_that_waits_for_us_is_not_taken_to_be_gone() -> None:
    later = 0.0

    async def main() -> None:
        nonlocal later
        gate = asyncio.Event()

        async def handler(request: Request) -> Response:
            await gate.wait()
            return Response(200, Fields(), b"at last")

        clock = Clock(monotonic=lambda: time.monotonic() + later)
        async with listening(handler, clock=clock) as listener, connected(listener.addresses[0][1], CA_PEM) as client:
            number = client.begin(head("/"))
            await until(lambda: listener.running == 1)
            (waiting,) = listener._connections
            assert isinstance(waiting, Http3Connection)
            for _ in range(4):  # together more than 30 seconds
                later += 11
                before = waiting._heard
                listener.sweep()
                await until(lambda before=before: waiting._heard > before)  # type: ignore[misc]
            gate.set()
            assert (await client.until(number)).body == b"at last"

    asyncio.run(main())


def test_a_head_that_takes_too_long_is_no_request() -> None:
    later = 0.0

    async def main() -> None:
        nonlocal later
        clock = Clock(monotonic=lambda: time.monotonic() + later)
        async with listening(echo, clock=clock) as listener, connected(listener.addresses[0][1], CA_PEM) as client:
            assert (await client.ask(head("/"))).status == "200"
            slow = client.write(headers(*head("/"))[:-1])
            await client.ask(head("/"))
            later = 11.0
            listener.sweep()
            assert (await client.until(slow)).ended == "reset 0x10d"
            assert (await client.ask(head("/"))).status == "200"

    asyncio.run(main())


def test_packets_of_a_connection_that_is_gone_are_told_so() -> None:
    later = 0.0

    async def main() -> None:
        nonlocal later
        async with listening(echo, clock=Clock(monotonic=lambda: time.monotonic() + later)) as listener:
            loop = asyncio.get_running_loop()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect(("127.0.0.1", listener.addresses[0][1]))
                gone = b"\x40" + b"\0\0whatever" + bytes(40)
                client.send(gone)
                await asyncio.sleep(0.05)
                with pytest.raises(BlockingIOError):  # it could be of the process that was here before
                    client.recv(2000)
                later = datagrams.QUIET + 1
                client.send(gone)
                answer = await asyncio.wait_for(loop.sock_recv(client, 2000), PATIENCE)
                assert answer[-16:] == IDENTITY.reset_token(b"\0\0whatever")

    asyncio.run(main())


def test_tcp_says_where_http3_is_unless_the_response_does() -> None:
    async def handler(request: Request) -> Response:
        said = [(b"alt-svc", b"clear")] if request.path == "/own" else []
        return Response(200, Fields(said), b"x")

    async def main() -> None:
        async with listening(handler) as listener:
            port = listener.addresses[0][1]
            for path, said in (("/", f'alt-svc: h3=":{port}"; ma=86400'), ("/own", "alt-svc: clear")):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
                answer = await reader.read()
                writer.close()
                assert answer.lower().count(b"alt-svc") == 1
                assert said.encode() in answer

    asyncio.run(main())
