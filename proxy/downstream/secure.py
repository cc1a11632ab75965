"""A connection of a client until its TLS handshake is done, and what carries it from then on."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Protocol

from proxy.downstream.service import Company, Service
from proxy.tls import Layer

logger = logging.getLogger(__name__)


class ByProtocol(Protocol):
    """Makes the connection for a protocol agreed on by ALPN (RFC 7301); None: none was."""

    def __call__(self, protocol: str | None) -> asyncio.Protocol: ...


class SecureConnection(Layer):
    """One of the company only while it shakes hands: then what is above it is."""

    def __init__(self, service: Service, company: Company, context: ssl.SSLContext, above: ByProtocol) -> None:
        super().__init__(context, server_side=True)
        self._service = service
        self._company = company
        self._make = above
        self._since = service.clock.monotonic()

    running = 0
    """Exchanges under way."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        room = self._company.joins(self)
        super().connection_made(transport)
        if not room:
            self.abort()

    def established(self, tls: ssl.SSLObject) -> asyncio.Protocol:
        self._company.leaves(self)
        return self._make(tls.selected_alpn_protocol())

    def failed(self, error: Exception | None) -> None:
        self._company.leaves(self)
        logger.debug("no TLS with %s: %s", self.get_extra_info("peername"), error or "the client left")

    def check(self, now: float) -> None:
        if now - self._since > self._service.timeouts.header:
            self.abort()

    def drain(self) -> None:
        self.abort()

    def retire(self) -> None:
        """What comes of it is told when it joins."""
