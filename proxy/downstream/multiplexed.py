"""A connection of a client that carries many exchanges at a time, whatever its codec is."""

from __future__ import annotations

import asyncio
from typing import Final, Generic, TypeVar

from proxy.codec.events import Data, End, Event, RequestHead, Reset
from proxy.downstream.service import Company, Service
from proxy.downstream.stream_exchange import Codec, StreamExchange, refuse
from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request, Response
from proxy.http.fields import Fields, Line

ONE_WRITE: Final = 64 * 1024
"""Bytes that are put together for one write."""

C = TypeVar("C", bound=Codec)

NOTICE: Final = 1.0
"""Seconds that a client gets to hear that the connection is about to end, when it does not answer."""


class Multiplexed(Generic[C]):
    """From events to exchanges and back. Exchanges that have nothing to wait for are answered before `_handle` returns,
    all with one write."""

    __slots__ = (
        "_company", "_exchanges", "_flushing", "_handling", "_idle_limit", "_idle_since", "_service", "certificate",
        "client", "codec",
    )  # fmt: skip

    version: str
    """Of HTTP, as in `Via`."""

    codec: C

    def __init__(self, service: Service, company: Company) -> None:
        self._service = service
        self._company = company
        self._exchanges: dict[int, StreamExchange] = {}
        self._handling = False
        self._flushing = False
        self._idle_since = service.clock.monotonic()
        self._idle_limit = service.timeouts.header
        self.client = "unknown"
        self.certificate: Line | None = None

    def _flush(self) -> None:
        """Write what is there, as much as the client takes."""
        raise NotImplementedError

    @property
    def running(self) -> int:
        """Exchanges under way."""
        return len(self._exchanges)

    # Requests.

    def _take(self, events: list[Event]) -> None:
        self._handling = True
        try:
            self._handle(events)
        finally:
            self._handling = False

    def _handle(self, events: list[Event]) -> None:
        codec = self.codec
        whole = _whole_bodies(events)
        for event in events:
            if isinstance(event, RequestHead):
                self._request(event, b"" if event.length == 0 else whole.get(event.stream))
            elif isinstance(event, End):
                if event.stream not in whole and (exchange := self._exchanges.get(event.stream)) is not None:
                    self._end_body(exchange, event.trailers)
            elif isinstance(event, Data):
                if event.stream not in whole:
                    self._feed(event)
            elif isinstance(event, Reset):
                self._reset(event)
            elif isinstance(event, ProxyError):
                self._tell(event)
            if codec.size > ONE_WRITE:
                self._flush()

    def _request(self, head: RequestHead, body: bytes | None) -> None:
        stream = self.codec.streams.get(head.stream)
        if stream is None:
            return  # given up before we got to it
        exchange = StreamExchange(self._service, self, head, stream)
        self._exchanges[head.stream] = exchange
        self._idle_limit = self._service.timeouts.idle
        exchange.begin(body)

    def _feed(self, event: Data) -> None:
        exchange = self._exchanges.get(event.stream)
        if exchange is None or exchange.body is None:
            self.codec.consumed(event.stream, len(event.data))
        else:
            exchange.moved = self._service.clock.monotonic()
            exchange.body.feed(event.data)

    def _end_body(self, exchange: StreamExchange, trailers: Fields | None) -> None:
        if exchange.body is not None:
            exchange.body.end(trailers)
            exchange.body = None

    def _reset(self, event: Reset) -> None:
        exchange = self._exchanges.get(event.stream)
        if exchange is None:
            self._tell(event.error)
            stream = self.codec.streams.get(event.stream)
            if event.answerable and stream is not None and stream.sending:
                refuse(self.codec, stream, event.error, self._service)
        elif event.answerable:
            exchange.broken(event.error)
        else:
            exchange.lost(event.error)

    def _tell(self, error: ProxyError) -> None:
        """Nobody would otherwise hear of what was no request: the log is where attacks are looked for."""
        service = self._service
        if service.on_done is not None:
            started = service.clock.monotonic() + service.clock.epoch
            exchange = Exchange(service.ids.of(None), self.client, started, version=self.version)
            exchange.failure = (error.failure.type, error.detail)
            request = Request("-", service.scheme, "-", "-", None, Fields(), exchange)
            service.on_done(request, Response(error.status, Fields()), 0, True, 0.0)

    # What exchanges call.

    def ended(self, exchange: StreamExchange, now: float) -> None:
        """An exchange is over, and its answer written as far as it will be."""
        del self._exchanges[exchange.stream.id]
        self._idle_since = now
        self.flush_soon()

    def flush_soon(self) -> None:
        """Once what runs now has come to rest."""
        if not self._handling and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    # The end.

    def _abandon(self, error: ProxyError) -> None:
        """Nobody wants what is being made."""
        for stream in list(self.codec.streams.values()):
            self.codec.abandon(stream)
        for exchange in list(self._exchanges.values()):
            exchange.lost(error)


def _whole_bodies(events: list[Event]) -> dict[int, bytes]:
    """The bodies of those requests of which all is there, by stream; not of those without one."""
    if len(events) == 2 and events[1].__class__ is End:
        return {}
    pieces: dict[int, list[bytes]] = {}
    whole: dict[int, bytes] = {}
    for event in events:
        if isinstance(event, RequestHead):
            if event.length != 0:
                pieces[event.stream] = []
        elif isinstance(event, Data):
            if event.stream in pieces:
                pieces[event.stream].append(event.data)
        elif isinstance(event, End) and event.trailers is None and event.stream in pieces:
            whole[event.stream] = b"".join(pieces.pop(event.stream))
    return whole
