"""HTTP/2 to origins: gRPC through the proxy, with the client and the server of grpcio, and an origin made with the
library h2 that does what origins may do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import grpc
import grpc.aio
import h2.config
import h2.connection
import h2.events
import pytest

from proxy.chain import Entry, Match, Route, link
from proxy.downstream import Service, bind
from proxy.downstream.listener import serve
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response, collect
from proxy.http.fields import Fields
from proxy.stages.forward import Forward
from proxy.tls.certificates import server_context
from proxy.upstream import Endpoint, Limits, Upstream
from proxy.upstream.secure import Secured
from tests.patience import PATIENCE
from tests.tls.certificates import client_context, issue

SERVICE = "test.Echo"


class Echo(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Bytes in, bytes out, without a compiler for messages."""

    def service(self, details: Any) -> Any:
        handlers = {
            f"/{SERVICE}/Unary": grpc.unary_unary_rpc_method_handler(self.unary),
            f"/{SERVICE}/Talk": grpc.stream_stream_rpc_method_handler(self.talk),
            f"/{SERVICE}/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
        }
        return handlers.get(details.method)

    async def unary(self, message: bytes, context: Any) -> bytes:
        metadata = dict(context.invocation_metadata())
        context.set_trailing_metadata((("x-asked", metadata["x-ask"]), ("x-via", metadata["via"])))
        return message[::-1]

    async def talk(self, messages: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for message in messages:
            yield message.upper()

    async def fail(self, message: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
        raise AssertionError


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[str]:
    """host:port of a proxy in front of an origin that speaks HTTP/2."""
    upstream = Upstream("origin", [Endpoint("127.0.0.1", port)], Limits(http2=True))
    entry = Entry([Route("all", Match(), link([Forward(upstream.send)]))])
    listener = await serve(bind("127.0.0.1", 0), Service(entry))
    try:
        yield "{}:{}".format(*listener.addresses[0])
    finally:
        await listener.drain(1)
        upstream.close()


def test_grpc_through_the_proxy() -> None:
    async def main() -> None:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Echo(),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            async with proxied(port) as address, grpc.aio.insecure_channel(address) as channel:
                await calls(channel)
        finally:
            await server.stop(0)

    asyncio.run(main())


async def calls(channel: Any) -> None:
    unary = channel.unary_unary(f"/{SERVICE}/Unary")
    call = unary(b"abc", metadata=(("x-ask", "this"),), timeout=PATIENCE)
    assert await call == b"cba"
    trailers = dict(await call.trailing_metadata())
    assert (trailers["x-asked"], trailers["x-via"]) == ("this", "2 sluicegate")
    assert await call.code() is grpc.StatusCode.OK

    answers = await asyncio.gather(*(unary(b"%d" % n * 3000, metadata=(("x-ask", "x"),)) for n in range(50)))
    assert answers == [(b"%d" % n * 3000)[::-1] for n in range(50)]

    talk = channel.stream_stream(f"/{SERVICE}/Talk")(timeout=PATIENCE)
    for word in (b"one", b"two", b"x" * 300_000):  # each answered before the next is said
        await talk.write(word)
        assert await talk.read() == word.upper()
    await talk.done_writing()
    assert await talk.read() is grpc.aio.EOF

    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await channel.unary_unary(f"/{SERVICE}/Fail")(b"", timeout=PATIENCE)
    assert (failure.value.code(), failure.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")


Act = Callable[[h2.connection.H2Connection, h2.events.RequestReceived, int], None]


class Origin(asyncio.Protocol):
    """Does with each request, and its number among all, as it is told."""

    all: ClassVar[list[Origin]] = []
    requests = 0

    def __init__(self, act: Act) -> None:
        self.act = act
        self.codec = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        Origin.all.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.codec.initiate_connection()
        transport.write(self.codec.data_to_send())

    def data_received(self, data: bytes) -> None:
        for event in self.codec.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                Origin.requests += 1
                self.act(self.codec, event, Origin.requests)
            elif isinstance(event, h2.events.DataReceived):
                self.codec.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        for each in Origin.all:
            each.transport.write(each.codec.data_to_send())


def answer(codec: h2.connection.H2Connection, request: h2.events.RequestReceived, body: bytes = b"hello") -> None:
    stream = request.stream_id
    assert stream is not None
    codec.send_headers(stream, [(":status", "200"), ("content-length", str(len(body)))])
    codec.send_data(stream, body, end_stream=True)


def request(method: str = "GET", body: bytes = b"") -> Request:
    return Request(method, "http", "a", "/x", "y=z", Fields([(b"x", b"1")]), Exchange(), body)


def asked(act: Act, ask: Callable[[Upstream], Awaitable[None]], **limits: Any) -> tuple[int, int]:
    """Connections and requests that an origin got that acts like that."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Origin(act), "127.0.0.1", 0)
        upstream = Upstream("o", [Endpoint(*server.sockets[0].getsockname())], Limits(http2=True, **limits))
        try:
            await ask(upstream)
        finally:
            upstream.close()
            server.close()

    Origin.requests = 0
    Origin.all.clear()
    asyncio.run(main())
    return len(Origin.all), Origin.requests


async def one_is_answered(upstream: Upstream) -> None:
    response = await upstream.send(request("POST", b"abc"))
    assert (response.status, await collect(response.body, 100)) == (200, b"hello")


def test_many_exchanges_share_a_connection() -> None:
    async def ask(upstream: Upstream) -> None:
        responses = await asyncio.gather(*(upstream.send(request()) for _ in range(60)))
        assert {response.status for response in responses} == {200}

    assert asked(lambda codec, event, n: answer(codec, event), ask) == (1, 60)


def test_what_was_refused_is_sent_again_whatever_its_method() -> None:
    def act(codec: h2.connection.H2Connection, event: h2.events.RequestReceived, n: int) -> None:
        if n == 1:
            assert event.stream_id is not None
            codec.reset_stream(event.stream_id, 7)
        else:
            answer(codec, event)

    assert asked(act, one_is_answered) == (1, 2)


def test_what_came_behind_a_goaway_is_sent_on_another_connection() -> None:
    def act(codec: h2.connection.H2Connection, event: h2.events.RequestReceived, n: int) -> None:
        if n == 1:
            codec.close_connection(last_stream_id=0)
        else:
            answer(codec, event)

    assert asked(act, one_is_answered) == (2, 2)


def test_as_many_streams_as_the_origin_takes() -> None:
    waiting: list[tuple[h2.connection.H2Connection, h2.events.RequestReceived]] = []

    def act(codec: h2.connection.H2Connection, event: h2.events.RequestReceived, n: int) -> None:
        if n == 1:
            codec.update_settings({3: 2})
            answer(codec, event)
            return
        waiting.append((codec, event))
        assert len([each for each, _ in waiting if each is codec]) <= 2
        if len(waiting) == 4:
            while waiting:
                answer(*waiting.pop())

    async def ask(upstream: Upstream) -> None:
        await upstream.send(request())
        await asyncio.sleep(0)
        responses = await asyncio.gather(*(upstream.send(request()) for _ in range(4)), return_exceptions=True)
        assert all(isinstance(each, Response) for each in responses)

    connections, _ = asked(act, ask)
    assert connections >= 2


def test_a_response_that_is_cut_off() -> None:
    def act(codec: h2.connection.H2Connection, event: h2.events.RequestReceived, n: int) -> None:
        assert event.stream_id is not None
        codec.send_headers(event.stream_id, [(":status", "200")])
        codec.send_data(event.stream_id, b"hel")
        codec.reset_stream(event.stream_id, 2)

    async def ask(upstream: Upstream) -> None:
        response = await upstream.send(request("POST"))
        with pytest.raises(ProxyError, match="http_response_incomplete"):
            await collect(response.body, 100)

    with pytest.raises(ProxyError, match="http_response_incomplete"):
        asked(act, ask)


@pytest.mark.parametrize(
    "wire", [b"HTTP/1.1 200 OK\r\n\r\n", bytes(9), b""], ids=["HTTP/1.1", "no settings", "nothing"]
)
def test_an_origin_that_speaks_something_else(wire: bytes) -> None:
    class Other(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            transport.write(wire)
            transport.close()

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Other, "127.0.0.1", 0)
        upstream = Upstream("o", [Endpoint(*server.sockets[0].getsockname())], Limits(http2=True))
        with pytest.raises(ProxyError):
            await upstream.send(request("POST"))
        upstream.close()
        server.close()

    asyncio.run(main())


def test_over_tls(tmp_path: Path) -> None:
    """An origin of our own, that speaks nothing but HTTP/2."""

    async def site(request: Request) -> Response:
        return Response(200, Fields([(b"x-scheme", request.scheme.encode())]), request.exchange.version.encode())

    async def main() -> None:
        pair = issue(tmp_path, "127.0.0.1").pair
        listener = await serve(
            bind("127.0.0.1", 0), Service(site, tls=server_context([pair], ["h2"]), protocols=("h2",))
        )
        endpoint = Endpoint(*listener.addresses[0], secure=True)
        secured = Secured(client_context("h2"))
        upstream = Upstream("o", [endpoint], Limits(http2=True), secured)
        try:
            response = await upstream.send(request())
            assert (response.fields.get(b"x-scheme"), await collect(response.body, 10)) == (b"https", b"2")
        finally:
            upstream.close()
            await listener.drain(1)

    asyncio.run(main())
