"""One HTTP/3 connection of a client: many exchanges at a time, in datagrams."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket
from typing import Any, Protocol

from proxy import errors
from proxy.codec.http3 import frames
from proxy.codec.http3.server import Http3Server
from proxy.codec.quic.connection import Quic
from proxy.downstream.multiplexed import NOTICE, Multiplexed
from proxy.downstream.refusals import Reason
from proxy.downstream.segments import Segments
from proxy.downstream.service import Company, Service
from proxy.errors import ProxyError

logger = logging.getLogger(__name__)

REFUSED = 0x2
"""CONNECTION_REFUSED (RFC 9000 §20.1)."""

ALERTS = range(0x100, 0x200)
"""Codes that are alerts of TLS (RFC 9001 §4.8)."""

SOON = 0.001
"""Seconds by which a timer may be early, as event loops count in milliseconds."""


class Router(Protocol):
    """Who finds the connection of a packet. lingers: those that are over too, for a while (RFC 9000 §10.2)."""

    segments: Segments

    @property
    def lingers(self) -> bool: ...

    def route(self, connection: Http3Connection, cid: bytes, there: bool) -> None:
        """Packets to this connection ID are the connection's now, or no longer."""

    def established(self, connection: Http3Connection) -> None:
        """Its client has shown that it is where it says."""

    def forget(self, connection: Http3Connection) -> None:
        """It is over, and needs no packets any more."""


class Http3Connection(Multiplexed[Http3Server]):
    """`receive` each packet, then `turn`: exchanges that have nothing to wait for are answered before that returns.

    socket: where it is sent from.
    """

    __slots__ = (
        "_closing_since", "_draining_since", "_forgotten", "_heard", "_lost", "_quic", "_router", "_since", "_timer",
        "_timer_at", "_why", "socket",
    )  # fmt: skip

    version = "3"

    def __init__(self, service: Service, company: Company, router: Router, quic: Quic, via: socket, peer: Any) -> None:
        super().__init__(service, company)
        self.client = peer[0]
        self.socket = via
        self.codec = Http3Server(quic, service.limits, lambda cid, there: router.route(self, cid, there))
        self._quic = quic
        self._router = router
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._draining_since: float | None = None
        self._closing_since: float | None = None
        self._why: tuple[Reason, str] | None = None
        self._lost = self._forgotten = False
        self._heard = self._since = self._idle_since

    def move(self, own: socket) -> None:
        """Be sent from another socket from now on. When it is over already, that is the end of it."""
        self.socket = own
        if self._lost:
            self._forget()

    @property
    def peer(self) -> Any:
        """The address of the client now."""
        return self._quic.peer

    # What arrives.

    def join(self) -> None:
        """After its first packet."""
        if not self._lost and not self._company.joins(self):
            self._refuse(Reason.CONNECTION_LIMIT, "there are too many")

    def receive(self, datagram: bytes, peer: Any, now: float) -> None:
        self._heard = now
        with self._alone():
            self._quic.receive_datagram(datagram, peer, now)

    def turn(self, now: float) -> None:
        """After what was received."""
        with self._alone():
            self._go_on(now)

    def _go_on(self, now: float) -> None:
        was_ready = self.codec.ready
        if events := self.codec.events(now):
            self._take(events)
        if self.codec.ready and not was_ready:
            self._router.established(self)
            if self._draining_since is not None:
                self._draining_since = now  # it could not hear of it before
                self.codec.go_away()
        self._send()
        if self._draining_since is not None and not self._lost:
            self._drain_on(now)

    def _expired(self) -> None:
        self._timer = None
        now = self._service.clock.monotonic()
        with self._alone():
            at = self._quic.get_timer()
            if at is not None and at <= now + SOON:
                self._quic.handle_timer(max(now, at))
            self._go_on(now)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """What goes wrong with one connection, in the library or here, is the end of that one and of nothing else. Its
        client will be told as soon as it sends something, as nobody knows of the connection any more."""
        try:
            yield
        except Exception:
            logger.exception("the HTTP/3 connection of %s ends", self.client)
            if not self._lost:
                self._gone()
            self._forget()

    # What is sent.

    def _flush(self) -> None:
        with self._alone():
            self._send()

    def _send(self) -> None:
        self._flushing = False
        if self._forgotten:
            return
        for stream in self.codec.pump():
            if (exchange := self._exchanges.get(stream.id)) is not None:
                exchange.wake()
        now = self._service.clock.monotonic()
        self._router.segments.send(self.socket, self._quic.datagrams_to_send(now))
        if self._quic.ended and not self._lost:
            self._gone()
        if self._lost and not self._router.lingers:
            self._forget()
        else:
            self._set_timer(now)

    def _set_timer(self, now: float) -> None:
        at = self._quic.get_timer()
        if at is None:
            if not self._lost:
                self._gone()
            self._forget()
        elif self._timer is None or at < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = at
            self._timer = asyncio.get_running_loop().call_later(max(0.0, at - now), self._expired)

    # What the listener calls.

    idle_since = None
    """It has no descriptor to itself."""

    def check(self, now: float) -> None:
        """Called about every second: end what has waited for too long."""
        timeouts = self._service.timeouts
        if self._lost:
            return
        for exchange in list(self._exchanges.values()):
            exchange.check(now)
        self.codec.give_up_heads(now - timeouts.header)
        if not self.codec.ready:
            if now - self._since > timeouts.header:
                self._refuse(Reason.TLS_TIMEOUT, "the handshake took too long")
        elif not self.codec.streams and not self._exchanges and now - self._idle_since > self._idle_limit:
            self._finish()
        elif self._draining_since is not None:
            self._drain_on(now)
        elif self._exchanges and now - self._heard > self._quic.silence / 3:
            self._quic.send_ping(0)  # it is us who let it wait
        if not self._lost:
            self._flush()

    def retire(self) -> None:
        self.drain()

    def drain(self) -> None:
        """Requests that are on their way are the last."""
        if self._draining_since is not None or self._lost:
            return
        self._draining_since = self._service.clock.monotonic()
        if self.codec.ready:
            self.codec.go_away()
            self.flush_soon()

    def abort(self) -> None:
        self._finish()

    # The end.

    def _drain_on(self, now: float) -> None:
        """The client knows, or has had the time to: what comes from now on is not looked at. Once all is answered, and
        the answers have arrived, the end."""
        assert self._draining_since is not None
        if not self.codec.ready or not (self.codec.ponged or now - self._draining_since > NOTICE):
            return
        self.codec.take_no_more()
        if self.codec.streams or self._exchanges:
            self._closing_since = None
        elif self._quic.delivered:
            self._finish()
        elif self._closing_since is None:
            self._closing_since = now
        elif now - self._closing_since > self._service.timeouts.linger:
            self._finish()

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._why = reason, detail
        self._quic.close(error_code=REFUSED, frame_type=0)
        self._flush()
        self._forget()

    def _forget(self) -> None:
        self._forgotten = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._router.forget(self)

    def _finish(self) -> None:
        self.codec.end(frames.NO_ERROR)
        self._flush()

    def _gone(self) -> None:
        """Nobody wants what is being made."""
        if not self.codec.ready and self._draining_since is None:
            reason, detail = self._why or self._no_handshake()
            self._service.refusals.add(reason, self.client, detail, self._service.clock.monotonic())
        self._lost = True
        self.codec.over = True
        self._abandon(ProxyError(errors.HTTP_REQUEST_ERROR, "the connection ended within the request"))
        self._company.leaves(self)

    def _no_handshake(self) -> tuple[Reason, str]:
        """Why there was none."""
        code, detail, left = self._quic.why if self._quic.ended else (0, "", True)
        if code not in ALERTS:
            return Reason.TLS_LEFT, detail or "it left within the handshake"
        return Reason.TLS_ALERT if left else Reason.TLS_OTHER, detail or f"alert {code - ALERTS.start}"
