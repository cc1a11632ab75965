"""Handlers around the entry that take the time: for traces, and for trusted clients (Server Timing, W3C)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from time import perf_counter_ns

from proxy.chain import Handler
from proxy.exchange import Request, Response
from proxy.exchange.clock import StageClock
from proxy.telemetry.tracing import Tracing

ASKS = b"x-server-timing"
"""The field of a request that asks for it; it goes no further."""


class ServerTiming:
    """A handler around another one. clients: who is told."""

    def __init__(self, handler: Handler, clients: tuple[IPv4Network | IPv6Network, ...]) -> None:
        self._handler = handler
        self._clients = clients

    async def __call__(self, request: Request) -> Response:
        if ASKS not in request.fields:
            return await self._handler(request)
        request.fields.remove(ASKS)
        exchange = request.exchange
        if not self._trusts(exchange.client):
            return await self._handler(request)
        exchange.clock = exchange.clock or StageClock()
        started = perf_counter_ns()
        response = (await self._handler(request)).copy()
        total = perf_counter_ns() - started
        told = [_metric(kind, name, spent) for kind, name, spent in reversed(exchange.clock.stages)]
        response.fields.append(b"server-timing", ", ".join([*told, f"total;dur={total / 1e6:.3f}"]).encode())
        return response

    def _trusts(self, client: str) -> bool:
        try:
            address = ip_address(client)
        except ValueError:
            return False  # a Unix socket's
        return any(address in network for network in self._clients)


class Traced:
    """A handler around another one: each exchange gets a span, which `Tracing.end` ends."""

    def __init__(self, handler: Handler, tracing: Tracing) -> None:
        self._handler = handler
        self._tracing = tracing

    async def __call__(self, request: Request) -> Response:
        request.exchange.clock = self._tracing.begin(request)
        return await self._handler(request)


def _metric(kind: str, name: str, spent: int) -> str:
    return f'{kind};desc="{name}";dur={spent / 1e6:.3f}'
