"""A proxy in this process, without sockets: bytes of requests in, bytes of responses out.

All that Python and Wasm do for an exchange is there, and nothing that the kernel does. It is measured in processor
time, the best of many short rounds, so other work on the machine moves it little.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from proxy.chain import Entry
from proxy.config.loader import load
from proxy.downstream import Limits, Listener, Service
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.sandbox import Engine
from proxy.server.assemble import Lasting, assemble
from proxy.telemetry import Metrics

ORIGIN = Fields([(b"content-type", b"text/html"), (b"cache-control", b"max-age=86400"), (b"etag", b'"a"')])


class Nowhere(asyncio.Transport):
    """The socket of a client that takes everything at once."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.7", 4711), "sockname": ("127.0.0.1", 8080)})
        self.taken = 0
        self.last: bytes | bytearray | memoryview = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.taken += len(data)
        self.last = data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


class Inside:
    """One connection to a proxy with this configuration. Upstreams answer everything at once, with `body`."""

    def __init__(self, folder: Path, engine: Engine, config: Mapping[str, Any], body: bytes = b"") -> None:
        async def origin(request: Request) -> Response:
            return Response(200, ORIGIN, body)

        path = folder / "config.yaml"
        path.write_text(json.dumps({"version": 1, "listeners": [{"address": "127.0.0.1:8080"}], **config}))
        metrics = Metrics()
        self.assembly = assemble(load(path), Lasting(engine, metrics, time.time, send=origin))
        service = Service(Entry(self.assembly.routes), metrics.finished, Limits(field_lines=1000))
        self._transport = Nowhere()
        self._connection = Listener(service).connection()
        self._connection.connection_made(self._transport)

    def __call__(self, request: bytes) -> None:
        """One exchange, from its first byte to its last."""
        self._connection.data_received(request)

    def answer(self, request: bytes) -> bytes:
        """What is written at the end of it, at least the head or the body."""
        before = self._transport.taken
        self(request)
        if self._transport.taken == before:
            raise RuntimeError("it waits for something")
        return bytes(self._transport.last)


def get(path: str, host: str = "shop.example", fields: str = "") -> bytes:
    """fields: lines, each with its end."""
    return f"GET {path} HTTP/1.1\r\nhost: {host}\r\n{fields}\r\n".encode()


def best(work: Sequence[Callable[[], int]], rounds: int) -> list[float]:
    """Microseconds of processor time for each exchange of each piece of work, the best of so many rounds, which take
    turns. A piece of work returns how many exchanges it was."""
    fastest = [float("inf")] * len(work)
    for each in work:
        each()  # warm
    for _ in range(rounds):
        for n, each in enumerate(work):
            begun = time.process_time_ns()
            count = each()
            fastest[n] = min(fastest[n], (time.process_time_ns() - begun) / count / 1000)
    return fastest
