"""A whole proxy in the test's event loop: real sockets, a real origin, filters as they are shipped."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from proxy.admin import Admin
from proxy.config.loader import load
from proxy.config.values import Address
from proxy.downstream import Service, overload, serve
from proxy.downstream import bind as bind_host
from proxy.sandbox import Engine
from proxy.server.cache_endpoints import cache_endpoints
from proxy.server.channel import Message
from proxy.server.operations import Operations
from proxy.server.orders import Orders
from proxy.server.recordings import Recordings
from proxy.server.serve import Server
from proxy.server.socket_files import SocketFiles
from proxy.server.sockets import Sockets, bind, close, wanted
from proxy.server.watching import endpoints
from proxy.server.worker import Generation
from proxy.telemetry.families import Family
from tests.listening import listening
from tests.patience import PATIENCE

BUILT = Path(__file__).parents[2] / "filters" / "built"
HOSTILE = Path(__file__).parents[1] / "hostile" / "built"

TIME = {"time": "5s"}
"""Of a call into a filter that a test gives no other limit: a busy machine is no failure."""


@dataclass
class Answer:
    """A response as a client sees it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None


@dataclass
class Asked:
    """A request as the origin saw it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


Reply = Callable[[Asked], bytes]
"""What the origin sends, as bytes."""


def ok(body: bytes = b"hello", *headers: str) -> bytes:
    """A 200 with these header lines."""
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n{lines}\r\n".encode() + body


@dataclass
class Site:
    """port: the proxy's. asked: what reached the origin."""

    port: int
    admin_port: int
    server: Server
    path: Path
    sockets: Sockets
    orders: Orders
    asked: list[Asked] = field(default_factory=list)
    generation: int = 1

    async def reload(self) -> None:
        """Have what is in the file now put in effect."""
        self.sockets.update(bind(load(self.path).config, self.sockets, SocketFiles(), 1))
        await self.orders({"do": "prepare", "path": str(self.path), "text": self.path.read_text()})
        self.generation += 1
        keys = list(wanted(load(self.path).config))
        await self.orders({"do": "commit", "generation": self.generation, "keys": keys, "new": {}})

    async def get(self, target: str, **headers: str) -> Answer:
        return await self.request("GET", target, headers)

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        lines = {"host": "site.example", "connection": "close", **(headers or {})}
        if body:
            lines["content-length"] = str(len(body))
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
        raw = await self.raw(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        return parse(raw, method)

    async def raw(self, data: bytes) -> bytes:
        """Send bytes, and read until the proxy closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        received = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        return received


def parse(raw: bytes, method: str = "GET") -> Answer:
    """One response that ended with the connection."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    answer = Answer(int(status_line.split()[1]), headers, rest)
    if answer.header("transfer-encoding") == "chunked" and method != "HEAD":
        answer.body = unchunk(rest)
    return answer


def unchunk(data: bytes) -> bytes:
    """The content of a chunked body; AssertionError when it is not whole."""
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        n = int(size, 16)
        if n == 0:
            return body
        body += data[:n]
        assert data[n : n + 2] == b"\r\n", "the body was cut off"
        data = data[n + 2 :]


class Alone:
    """A worker in this process, as the admin listener sees all of them."""

    replaced = 0

    def __init__(self, server: Server, sockets: Sockets) -> None:
        self.recordings = Recordings(self.ask)
        self.generation = Generation(1, server.assembly.file, {})
        self.serving = [server]
        self.hatch = socket.socket()
        self.orders = Orders(server, 1, sockets, self.hatch, self.recordings.heard)

    async def ask(self, order: Message, *, one: bool = False) -> list[tuple[int, Message]]:
        return [(0, await self.orders(order))]

    async def ask_every(self, order: Message) -> list[Message]:
        return [await self.orders(order)]

    async def families(self) -> list[Family]:
        families: list[Family] = (await self.orders({"do": "metrics"}))["families"]
        return families

    async def reload(self) -> str | None:
        raise NotImplementedError


@asynccontextmanager
async def site(
    directory: Path,
    reply: Reply | bytes,
    *,
    chain: list[dict[str, Any]] | None = None,
    routes: list[dict[str, Any]] | None = None,
    filters: Mapping[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[Site]:
    """A proxy with this chain (ended by the origin) or these routes, and an origin that gives these replies. It does
    not shed load for being late: the test runs in the same event loop."""
    asked: list[Asked] = []

    async with listening(serving(asked, reply)) as at:
        config = {
            "version": 1,
            "listeners": [{"address": "127.0.0.1:0"}],
            "access_log": "off",
            "upstreams": {"origin": {"endpoints": [f"http://127.0.0.1:{at}"]}},
            "filters": {
                name: each | {"limits": TIME | each.get("limits", {})} for name, each in (filters or {}).items()
            },
            "routes": routes or [{"chain": [*(chain or []), {"forward": "origin"}]}],
            **more,
        }
        path = directory / "sluice.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        server = Server(load(path), engine(), clock=lambda: 1_000_000.0)
        sockets = bind(server.config, {}, SocketFiles(), 1)
        await server.start(sockets)
        alone = Alone(server, sockets)
        declared = server.config.admin
        token, port = None, 0
        if declared is not None:
            assert isinstance(declared.address, Address)
            token, port = declared.token, declared.address.port
        operations = Operations(alone, alone.reload)
        more = dict(endpoints(alone, alone.recordings)) | dict(cache_endpoints(operations.caches, operations.purge))
        admin = await serve(
            bind_host("127.0.0.1", port), Service(Admin(operations.view(), loopback=True, token=token, more=more))
        )
        try:
            with patch.object(overload, "LATE", float("inf")):
                yield Site(
                    server.listeners[0].addresses[0][1],
                    admin.addresses[0][1],
                    server,
                    path,
                    sockets,
                    alone.orders,
                    asked,
                )
        finally:
            close(sockets)
            alone.hatch.close()
            await admin.drain(0)
            await server.drain(0)


def _in_time(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {**declared, "limits": TIME | declared.get("limits", {})}


_engines: list[Engine] = []


def engine() -> Engine:
    """One engine for all tests: what it compiles once is compiled once."""
    if not _engines:
        _engines.append(Engine())
    return _engines[0]


@asynccontextmanager
async def origin(reply: Reply | bytes) -> AsyncIterator[tuple[int, list[Asked]]]:
    """An origin on a port of its own, and what it was asked."""
    asked: list[Asked] = []
    async with listening(serving(asked, reply)) as port:
        yield port, asked


def serving(
    asked: list[Asked], reply: Reply | bytes
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """The connections of an origin that gives these replies, and adds to what it was asked."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                asked.append(request)
                writer.write(reply if isinstance(reply, bytes) else reply(request))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    return serve


async def _read_request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    asked = Asked(method, target, headers, b"")
    if length := asked.header("content-length"):
        asked.body = await reader.readexactly(int(length))
    elif asked.header("transfer-encoding"):
        raw = b""
        while not raw.endswith(b"0\r\n\r\n"):
            raw += await reader.readuntil(b"\r\n")
        asked.body = unchunk(raw)
    return asked
