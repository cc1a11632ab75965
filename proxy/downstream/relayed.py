"""A connection that came through a load balancer, until the PROXY protocol has said whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from proxy.codec.proxy_protocol import Header, parse
from proxy.downstream.ends import client_address
from proxy.downstream.refusals import Reason
from proxy.downstream.service import Company, Service
from proxy.errors import ProxyError


class RelayedConnection(asyncio.Protocol):
    """One of the company only until it knows; then what is made by `above` is."""

    running = 0
    """Exchanges under way."""
    idle_since = None

    _transport: asyncio.Transport

    def __init__(self, service: Service, company: Company, above: Callable[[], asyncio.Protocol]) -> None:
        self._service = service
        self._company = company
        self._above = above
        self._since = service.clock.monotonic()
        self._data = b""
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if not self._company.joins(self):
            self._refuse(Reason.CONNECTION_LIMIT, "there are too many")

    def data_received(self, data: bytes) -> None:
        if self._transport.is_closing():
            return
        self._data += data
        try:
            header = parse(self._data)
        except ProxyError as error:
            self._refuse(Reason.PROXY_PROTOCOL_MALFORMED, error.detail)
            return
        if header is not None:
            self._hand_over(header)

    def connection_lost(self, exc: Exception | None) -> None:
        self._company.leaves(self)
        if not self._over:
            self._refuse(Reason.PROXY_PROTOCOL_LEFT, "it left before the header of the PROXY protocol")

    def _refuse(self, reason: Reason, detail: str) -> None:
        service = self._service
        service.refusals.add(reason, client_address(self._transport), detail, service.clock.monotonic())
        self.abort()

    def _hand_over(self, header: Header) -> None:
        self._company.leaves(self)
        above = self._above()
        self._transport.set_protocol(above)
        above.connection_made(_Named(self._transport, header))
        if rest := self._data[header.size :]:
            above.data_received(rest)

    # What the listener calls.

    def check(self, now: float) -> None:
        if now - self._since > self._service.timeouts.header:
            self._refuse(Reason.PROXY_PROTOCOL_TIMEOUT, "the header of the PROXY protocol took too long")

    def drain(self) -> None:
        self.abort()

    def retire(self) -> None:
        """Whoever has connected is served once."""

    def abort(self) -> None:
        self._over = True
        self._transport.abort()


class _Named(asyncio.Transport):
    """A transport whose ends are those that the header names. What is called often is the other's own method."""

    def __init__(self, transport: asyncio.Transport, header: Header) -> None:
        super().__init__()
        self._transport = transport
        self._ends = {"peername": header.source, "sockname": header.destination}
        for name in (
            "write", "writelines", "write_eof", "can_write_eof", "get_write_buffer_size", "is_closing", "close",
            "abort", "pause_reading", "resume_reading", "set_protocol", "get_protocol", "set_write_buffer_limits",
        ):  # fmt: skip
            setattr(self, name, getattr(transport, name))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._ends.get(name) or self._transport.get_extra_info(name, default)
