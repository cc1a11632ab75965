"""One HTTP/2 connection of a client: many exchanges at a time."""

from __future__ import annotations

import asyncio
from typing import cast

from proxy import errors
from proxy.codec.http2 import frames
from proxy.codec.http2.server import Http2Server
from proxy.downstream.client_cert import ClientCert, shown
from proxy.downstream.ends import client_address
from proxy.downstream.multiplexed import NOTICE, ONE_WRITE, Multiplexed
from proxy.downstream.service import Company, Service
from proxy.errors import ProxyError


class Http2Connection(Multiplexed[Http2Server], asyncio.Protocol):
    """Exchanges that have nothing to wait for are answered before `data_received` returns, all with one write.

    Nothing is read while the client takes nothing, so what it makes us send it cannot pile up.
    """

    __slots__ = (
        "_begun", "_draining_since", "_last_word", "_lost", "_section_since", "_stalled", "_transport", "_unsent",
    )  # fmt: skip

    version = "2"

    _transport: asyncio.Transport

    def __init__(self, service: Service, company: Company, begun: bytes = b"") -> None:
        """begun: what was read before it was known to be HTTP/2."""
        super().__init__(service, company)
        self._begun = begun
        self._draining_since: float | None = None
        self._last_word: float | None = None
        self._lost = False
        self._unsent = 0
        self._section_since = self._stalled = self._idle_since
        self.codec = Http2Server(service.limits)

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.client = client_address(transport)
        if self._service.client_cert is ClientCert.TOLD:
            self.certificate = shown(transport)
        if not self._company.joins(self):
            self.codec.end(frames.ENHANCE_YOUR_CALM, b"too many connections")
            self._close()
        elif self._begun:
            begun, self._begun = self._begun, b""
            self.data_received(begun)
        else:
            self._flush()

    def data_received(self, data: bytes) -> None:
        if self._last_word is not None or self._lost:
            return
        codec = self.codec
        was_within = codec.within_section
        now = self._service.clock.monotonic()
        events = codec.receive(data, now)
        if events:
            self._take(events)
        if not was_within:
            self._section_since = now
        self._flush()
        if codec.over:
            self._close()
        elif self._draining_since is not None:
            self._drain_on(now)

    def eof_received(self) -> None:
        # A client that will say nothing more can open no window either, and one that is gone looks the same.
        self._gone()

    def connection_lost(self, exc: Exception | None) -> None:
        self._company.leaves(self)
        self._gone()

    def pause_writing(self) -> None:
        self.codec.paused = True
        self._set_reading(False)

    def resume_writing(self) -> None:
        self.codec.paused = False
        self._set_reading(True)
        self._flush()
        for exchange in list(self._exchanges.values()):
            exchange.wake()

    # What the listener calls.

    @property
    def idle_since(self) -> float | None:
        codec = self.codec
        busy = codec.streams or self._exchanges or codec.within_section or codec.size or not codec.last
        ending = self._draining_since is not None or self._last_word is not None or self._lost
        return None if busy or ending else self._idle_since

    def retire(self) -> None:
        """GOAWAY lets requests that are on their way come, so nothing is lost (RFC 9113 §6.8)."""
        self.drain()

    def drain(self) -> None:
        """Requests that are on their way are the last."""
        if self._draining_since is None and not self.codec.over:
            self._draining_since = self._service.clock.monotonic()
            self.codec.go_away()
            self._flush()

    def abort(self) -> None:
        self._transport.abort()
        self._gone()

    def check(self, now: float) -> None:
        """Called about every second: end what has waited for too long."""
        timeouts = self._service.timeouts
        if self._lost:
            return
        if unsent := self._transport.get_write_buffer_size():
            if unsent != self._unsent:
                self._unsent, self._stalled = unsent, now
            elif now - self._stalled > timeouts.write:
                self.abort()
                return
        if self._last_word is not None:
            if now - self._last_word > timeouts.linger and not unsent:
                self.abort()
            return
        for exchange in list(self._exchanges.values()):
            exchange.check(now)
        if self.codec.within_section:
            if now - self._section_since > timeouts.header:
                self._finish(b"a header section took too long")
        elif not self.codec.streams and not self._exchanges and now - self._idle_since > self._idle_limit:
            self._finish(b"idle")
        elif self._draining_since is not None:
            self._drain_on(now)
        if not self._lost:
            self._flush()

    # Sending.

    def _flush(self) -> None:
        """Write what is there, as much as the client takes."""
        self._flushing = False
        codec, transport = self.codec, self._transport
        while True:
            done = [] if codec.paused else codec.pump(ONE_WRITE)
            if codec.size and not self._lost:
                transport.write(codec.take())
            for stream in done:
                if (exchange := self._exchanges.get(stream.id)) is not None:
                    exchange.wake()
            if codec.paused or not codec.can_pump:
                break

    def _set_reading(self, reading: bool) -> None:
        if not self._transport.is_closing():
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # The end.

    def _drain_on(self, now: float) -> None:
        """The client knows, or has had the time to: what comes from now on is not looked at. Once all is answered, the
        end."""
        assert self._draining_since is not None
        if self.codec.ponged or now - self._draining_since > NOTICE:
            self.codec.take_no_more()
            self._flush()
            if not self.codec.streams and not self._exchanges:
                self._close()

    def _finish(self, detail: bytes) -> None:
        self.codec.end(frames.NO_ERROR, detail)
        self._flush()
        self._close()

    def _close(self) -> None:
        """The last word is written. Closed at once, with bytes unread, it could be lost with the connection."""
        if self._last_word is not None or self._lost:
            return
        self._last_word = self._service.clock.monotonic()
        self._abandon(ProxyError(errors.HTTP_REQUEST_ERROR, "the connection ended within the request"))
        if self.codec.size:
            self._transport.write(self.codec.take())
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _gone(self) -> None:
        """The client is gone: nobody wants what is being made for it."""
        if not self._lost:
            self._lost = True
            self.codec.over = True
            self._abandon(ProxyError(errors.HTTP_REQUEST_ERROR, "the client left within its request"))
            self._transport.close()
