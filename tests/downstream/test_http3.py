"""HTTP/3 over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trustme

from proxy.codec.quic.identity import Credential, Identity
from proxy.downstream import Listener, Service, bind, bind_datagrams
from proxy.downstream.listener import serve
from proxy.exchange import Request, Response, collect
from proxy.http.fields import Fields
from tests.downstream.wire import Handler
from tests.http3_client import Client, connected, head

CA = trustme.CA(key_type=trustme.KeyType.ECDSA)


def credential(*names: str) -> Credential:
    made = CA.issue_cert(*names, key_type=trustme.KeyType.ECDSA)
    return Credential.of(names, made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes())


IDENTITY = Identity([credential("localhost")], b"secret", 30.0)


@asynccontextmanager
async def listening(handler: Handler, **options: Any) -> AsyncIterator[Listener]:
    options.setdefault("identity", IDENTITY)
    tcp = bind("127.0.0.1", 0)
    udp = bind_datagrams(tcp[0].getsockname(), tcp[0].family)
    listener = await serve(tcp, Service(handler, **options), [udp])
    try:
        yield listener
    finally:
        await listener.drain(1)


@asynccontextmanager
async def talking(handler: Handler, *, window: int = 1 << 20, **options: Any) -> AsyncIterator[Client]:
    async with (
        listening(handler, **options) as listener,
        connected(listener.addresses[0][1], CA.cert_pem.bytes(), window=window) as client,
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
