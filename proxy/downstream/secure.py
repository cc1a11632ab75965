"""A connection of a client until its TLS handshake is done, and what carries it from then on."""

from __future__ import annotations

import asyncio
import ssl
from typing import Protocol

from proxy.downstream.ends import client_address
from proxy.downstream.refusals import Reason, of_tls
from proxy.downstream.service import Company, Service
from proxy.tls import Layer


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
        self._why: tuple[Reason, str] | None = None
        """We ended it."""
        self._drained = False
        self._answered = False

    running = 0
    """Exchanges under way."""
    idle_since = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        room = self._company.joins(self)
        super().connection_made(transport)
        if not room:
            self._why = Reason.CONNECTION_LIMIT, "there are too many"
            self.abort()

    def shake(self) -> bool:
        """A handshake costs what many requests do: who has got an answer is seen through, but when there is
        too much to do, none begins. Closed at once, a client knows, and may try elsewhere; left waiting, those who come
        would wait ever longer, and be served when they have lost their patience."""
        if not self._answered and self._incoming.pending and not self._service.load.welcomes():
            self._why = Reason.OVERLOAD, "there is more to do than can be done"
            self.abort()
            return False
        self._answered = super().shake() or self._answered
        return self._answered

    def established(self, tls: ssl.SSLObject) -> asyncio.Protocol:
        self._company.leaves(self)
        return self._make(tls.selected_alpn_protocol())

    def failed(self, error: Exception | None) -> None:
        self._company.leaves(self)
        if not self._drained:
            reason, detail = self._why or of_tls(error)
            service = self._service
            service.refusals.add(reason, client_address(self), detail, service.clock.monotonic())

    def check(self, now: float) -> None:
        if now - self._since > self._service.timeouts.header:
            self._why = Reason.TLS_TIMEOUT, "the handshake took too long"
            self.abort()

    def drain(self) -> None:
        self._drained = True
        self.abort()

    def retire(self) -> None:
        """What comes of it is told when it joins."""
