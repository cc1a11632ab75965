"""A service of wasi:http 0.2 that waits for several sockets at once, by the pollables of `wstd`."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy import wasi
from proxy.component import decode
from proxy.config.sockets import Sockets
from proxy.sandbox import Limits
from proxy.stages.serve import Serve
from proxy.telemetry import FilterTally
from proxy.upstream.dns import Resolver
from proxy.wasi.http import Outgoing, Service
from proxy.wasi.sockets import Network
from tests.integration.site import engine
from tests.stages.test_serve import ask, request, text
from tests.wasi.sockets.peers import GUEST, echo, listening

SERVICE = GUEST.with_name("service.wasm")


def test_two_connections_at_once() -> None:
    async def asking() -> None:
        first, second = asyncio.Event(), asyncio.Event()

        async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            first.set()
            await second.wait()  # neither answers before both are asked
            await echo(reader, writer)

        async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            second.set()
            await first.wait()
            writer.write((await reader.readexactly(5)).upper())

        async with listening(one) as port, listening(other) as another:
            granted: dict[str, Any] = {"tcp": [f"127.0.0.1:{port}", f"127.0.0.1:{another}"]}
            network = Network([Sockets.model_validate(granted)], Resolver())
            imports = wasi.service_interfaces({}, (), network)
            service = Service(decode(SERVICE.read_bytes()), engine(), imports, Limits(memory=64 << 20, time=0.5))
            stage = Serve("service", service, Outgoing([]), FilterTally("service"), 10.0)
            answer = await ask(stage, request(f"/tcp?127.0.0.1:{port}&127.0.0.1:{another}"))
            assert await text(answer) == "hello HELLO"
            answer = await ask(stage, request(f"/tcp?127.0.0.1:{port}&127.0.0.2:{port}"))
            assert (await text(answer)).startswith("error")

    asyncio.run(asking())
