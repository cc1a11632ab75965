"""One HTTP/1.1 connection of a client: requests in, one exchange after the other, responses out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from enum import Enum, auto
from typing import Final, cast

from proxy import errors
from proxy.codec.events import END, Data, End, Event, Preface, RequestHead
from proxy.codec.http1_response import encode_head, encode_interim, encode_switch
from proxy.codec.http1_server import Http1Server
from proxy.downstream import responding
from proxy.downstream.client_cert import ClientCert, certify, shown
from proxy.downstream.ends import client_address, own_authority
from proxy.downstream.http2_connection import Http2Connection
from proxy.downstream.output import Output
from proxy.downstream.request_body import RequestBody
from proxy.downstream.service import Company, Service
from proxy.errors import ProxyError
from proxy.exchange import Body, Exchange, Request, Response, Stream, Switch, Tunnel
from proxy.exchange import End as TunnelEnd
from proxy.exchange.running import Running, run
from proxy.http.fields import Fields, Line
from proxy.http.framing import of_response

logger: Final = logging.getLogger(__name__)


class State(Enum):
    OPEN = auto()
    LAST = auto()
    """The exchange that runs, or the next one, is the last."""
    OVER = auto()
    """No more exchanges: to be closed as soon as what was written is out of our hands."""
    LINGERING = auto()
    """The last word is said; what the client still sends is read, so that it gets to see it (RFC 9112 §9.6)."""
    CLOSED = auto()


# Looking a member up in its class is slow, and done often.
PASSED: Final = ClientCert.PASSED
TOLD: Final = ClientCert.TOLD
OPEN: Final = State.OPEN
LAST: Final = State.LAST
OVER: Final = State.OVER
LINGERING: Final = State.LINGERING
CLOSED: Final = State.CLOSED


class DownstreamConnection(asyncio.Protocol):
    """Runs one exchange at a time; one that has nothing to wait for is answered before `data_received` returns.

    What a client sends ahead stays unparsed, and then unread, until its turn has come.
    """

    __slots__ = (
        "_body", "_certificate", "_client", "_clock", "_codec", "_company", "_idle_limit", "_out", "_reading",
        "_request", "_response", "_running", "_service", "_since", "_stalled", "_started", "_state", "_transport",
        "_tunnel", "_unsent",
    )  # fmt: skip

    _transport: asyncio.Transport
    _certificate: Line | None
    _client: str
    _codec: Http1Server
    _out: Output

    def __init__(self, service: Service, company: Company) -> None:
        self._service = service
        self._clock = service.clock
        self._company = company
        self._state = OPEN
        self._request: Request | None = None
        self._response: Response | None = None
        self._running: Running | None = None
        self._body: RequestBody | None = None
        self._tunnel: Tunnel | None = None
        self._reading = True
        self._started = 0.0
        self._since = 0.0
        self._unsent = (0, 0)
        self._stalled = 0.0
        self._idle_limit = service.timeouts.header

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._out = Output(self._transport)
        self._since = self._clock.monotonic()
        self._client = client_address(transport)
        self._certificate = shown(transport) if self._service.client_cert is TOLD else None
        self._codec = Http1Server(self._service.limits, own_authority(transport))
        if not self._company.joins(self):
            self._refuse(ProxyError(errors.CONNECTION_LIMIT_REACHED, "too many connections"))
            self._settle()

    def data_received(self, data: bytes) -> None:
        if self._state is LINGERING or self._state is CLOSED:
            return
        codec = self._codec
        was_partial = codec.pending
        codec.feed(data)
        self._advance()
        if self._body is not None or (codec.pending and not was_partial and self._request is None):
            self._since = self._clock.monotonic()  # more of a body came, or a head has begun

    def eof_received(self) -> None:
        # Half a connection is of no use to anybody but netcat, and a client that is gone looks the same.
        self._lost()

    def connection_lost(self, exc: Exception | None) -> None:
        self._company.leaves(self)
        self._lost()

    def pause_writing(self) -> None:
        self._out.paused = True

    def resume_writing(self) -> None:
        self._out.resume()
        if self._request is None:
            self._advance()

    # What the listener calls.

    @property
    def running(self) -> bool:
        return self._request is not None

    @property
    def idle_since(self) -> float | None:
        idle = self._started and self._request is None and self._state is OPEN and not self._codec.pending
        return self._since if idle and not self._out.waiting else None

    def drain(self) -> None:
        """The exchange that runs, if any, is the last."""
        if self._tunnel is not None:
            return
        if self._codec.pending and self._state is OPEN:
            self._state = LAST  # the head of a request has begun
        else:
            self._no_more()
            self._settle()

    def retire(self) -> None:
        """The exchange that runs, or else the next one, is the last."""
        if self._state is OPEN:
            self._state = LAST

    def abort(self) -> None:
        self._transport.abort()
        self._lost()

    def check(self, now: float) -> None:
        timeouts, waited = self._service.timeouts, now - self._since
        if self._tunnel is not None:
            self._tunnel.check(now, timeouts.tunnel, timeouts.write)
        elif unsent := self._out.waiting:
            if (unsent, self._out.sent) != self._unsent:
                self._unsent = (unsent, self._out.sent)
                self._stalled = now
            elif now - self._stalled > timeouts.write:
                self.abort()
        elif self._state is LINGERING:
            if waited > timeouts.linger:
                self.abort()
        elif self._state in (OVER, CLOSED):
            return
        elif self._body is not None:
            if waited > timeouts.body and not self._body.full and self._body.ask is None:
                self._body_failed(ProxyError(errors.HTTP_REQUEST_ERROR, "the request body stopped", status=408))
                self._settle()
        elif self._request is None and waited > (timeouts.header if self._codec.pending else self._idle_limit):
            if self._codec.pending:
                self._refuse(ProxyError(errors.HTTP_REQUEST_ERROR, "the request head took too long", status=408))
            else:
                self._state = OVER
            self._settle()

    # Requests.

    def _advance(self) -> None:
        """Go as far as the bytes there are and the exchange that runs allow."""
        out, codec = self._out, self._codec
        out.holding = True
        while codec.pending and self._wants_events():
            events = codec.events()
            if not events:
                break
            self._take(events)
        out.release()
        if self._state is CLOSED:
            return
        if codec.pending or self._state is not OPEN or not self._reading or self._body is not None:
            self._settle()

    def _wants_events(self) -> bool:
        """More of a body, or a request whose turn has come."""
        if self._body is not None:
            return True
        return self._request is None and (self._state is OPEN or self._state is LAST) and not self._out.paused

    def _take(self, events: list[Event]) -> None:
        head, last = events[0], events[-1]
        if isinstance(head, RequestHead):
            if last is END:
                whole = b"" if len(events) == 2 else b"".join([e.data for e in events if isinstance(e, Data)])
                self._exchange(head, whole)
            elif isinstance(last, ProxyError):
                self._refuse(last)
            else:
                self._exchange(head, self._arriving(head, events))
        elif self._body is not None:
            self._feed(self._body, events)
        elif isinstance(last, ProxyError):
            self._refuse(last)
        elif isinstance(last, Preface):
            self._hand_over(last)

    def _hand_over(self, preface: Preface) -> None:
        """The client knows that we speak HTTP/2 (RFC 9113 §3.3)."""
        if "h2" not in self._service.protocols:
            self._refuse(preface.otherwise)
            return
        self._state = CLOSED
        self._company.leaves(self)
        successor = Http2Connection(self._service, self._company, preface.data)
        self._transport.set_protocol(successor)
        successor.connection_made(self._transport)

    def _arriving(self, head: RequestHead, events: list[Event]) -> RequestBody:
        waits = b"expect" in head.fields  # for "100-continue"; there is no other
        body = self._body = RequestBody(head.length, self._body_changed, self._continue if waits else None)
        self._feed(body, events[1:])
        return body

    def _feed(self, body: RequestBody, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Data):
                body.feed(event.data)
            elif isinstance(event, End):
                body.end(event.trailers)
                self._body = None
            elif isinstance(event, ProxyError):
                self._body_failed(event)
        if body.too_long:
            self._no_more()

    def _body_failed(self, error: ProxyError) -> None:
        assert self._body is not None
        self._codec.stop()
        self._body.fail(error)
        self._body = None
        self._no_more()

    def _body_changed(self) -> None:
        self._since = self._clock.monotonic()
        self._read_or_not()

    # The exchange.

    def _exchange(self, head: RequestHead, body: Body) -> None:
        service, clock = self._service, self._clock
        now = self._started = self._since = clock.monotonic()
        self._response = None
        self._out.sent = 0
        exchange = Exchange(
            service.ids.of(head.fields.get(b"x-request-id")),
            self._client,
            now + clock.epoch,
            self._inform if head.version == "1.1" else None,
            head.version,
        )
        request = self._request = Request(
            head.method, service.scheme, head.authority, head.path, head.query, head.fields, exchange, body
        )
        if service.client_cert is not PASSED:
            certify(request.fields, self._certificate)
        if head.upgrade is not None:
            request.switch = Switch(head.upgrade)
        if not head.keep_alive:
            self._no_more()
        try:
            running = run(self._run(head, request), self._ended)
        except (Exception, asyncio.CancelledError) as error:
            self._end(error)
            return
        if running is None:
            self._end(None)
        else:
            self._running = running
            service.load.running += 1

    async def _run(self, head: RequestHead, request: Request) -> None:
        try:
            load = self._service.load
            answered = load.running < load.room or load.admitted()
            response = await (self._service.handler if answered else load.shed)(request)
        except Exception:
            logger.exception("no answer", extra={"request_id": request.exchange.id})
            response = Response(500, Fields())
            self._no_more()
        if self._service.alternative is not None:
            response = responding.with_alternative(response, self._service.alternative)
        self._response = response
        if request.switch is not None and request.switch.origin is not None and response.status == 101:
            await self._switch(response, request.switch, request.switch.origin)
            return
        body = response.body
        if isinstance(body, bytes):
            if self._body is not None:
                self._body.close()  # the handler is done and did not read it to the end
            self._out.holding = True  # until the exchange is ended, which is next
            self._begin_response(head, response, len(body), body)
        else:
            try:
                await self._stream(head, response, body)
            finally:
                body.close()

    async def _switch(self, response: Response, switch: Switch, origin: TunnelEnd) -> None:
        """The client hears that it may speak the other protocol, and nothing of HTTP any more."""
        out = self._out
        self._no_more()
        out.write(encode_switch(response.fields.lines, switch.offer.protocol))
        out.release()
        client = TunnelEnd(self._transport, self._codec.rest(), reading=self._reading, full=out.paused)
        tunnel = self._tunnel = Tunnel(client, origin)
        try:
            await tunnel.run()
        finally:
            out.sent += tunnel.sent
        if tunnel.broken:
            self._state = CLOSED

    def _begin_response(
        self, request: RequestHead, response: Response, length: int | None, content: bytes
    ) -> tuple[bool, bool]:
        """Write the head, and the body as far as it is there. Returns (more of it is to be sent, in chunks)."""
        status, fields, out = response.status, response.fields, self._out
        keep_alive = self._state is OPEN and (self._body is None or self._body.may_be_drained)
        lines, has_body, chunked, keep_alive = of_response(
            request.method, request.version, status, fields, length, keep_alive
        )
        try:
            head = encode_head(status, fields.lines, self._clock.date, lines, fields.fixed)
        except ProxyError as error:
            self._response = Response(error.status, Fields())
            self._refuse(error)
            return False, False
        if not keep_alive:
            self._no_more()
        out.write(head)
        if content and has_body:
            out.write(content)
        return has_body, chunked

    async def _stream(self, request: RequestHead, response: Response, body: Stream) -> None:
        more, chunked = self._begin_response(request, response, body.length, b"")
        if not more:
            return
        if chunked or body.length is not None:
            await responding.send_stream(self._out, body, chunked)
            return
        try:
            await responding.send_unframed(self._out, body)
        except BaseException:
            self.abort()
            raise

    def _ended(self, error: BaseException | None) -> None:
        self._service.load.running -= 1
        self._end(error)
        if self._codec.pending and self._state is OPEN:
            # Not yet the next request: the connection to the origin that has just answered may be about to be free.
            self._out.release()
            asyncio.get_running_loop().call_soon(self._advance)
        else:
            self._advance()

    def _end(self, error: BaseException | None) -> None:
        service, request = self._service, self._request
        assert request is not None
        now = self._since = self._clock.monotonic()
        complete = error is None and self._state is not CLOSED
        request.exchange.inform = None
        if request.switch is not None and request.switch.origin is not None:
            request.switch.origin.abort()  # else nobody would, where the origin's 101 was not passed on
        if self._tunnel is not None:
            self._company.leaves(self)  # the transport tells the tunnel, not us, that it is closed
        self._request = self._running = None
        self._idle_limit = service.timeouts.idle
        if error is not None:
            self._failed(request, error)
        elif self._state is LAST:
            self._state = OVER
        elif self._body is not None:
            self._body.close()
        response = self._response or Response(499, Fields())
        self._response = None
        if service.on_done is not None:
            try:
                service.on_done(request, response, self._out.sent, complete, now - self._started)
            except Exception:
                logger.exception("on_done", extra={"request_id": request.exchange.id})

    def _failed(self, request: Request, error: BaseException) -> None:
        """Without its end, and with the end of the connection, the client sees that the response is not whole."""
        if self._state is CLOSED:
            return
        if isinstance(error, ProxyError):
            request.exchange.failure = (error.failure.type, error.detail)
            logger.warning("response cut off: %s", error, extra={"request_id": request.exchange.id})
        else:
            logger.error("response cut off", exc_info=error, extra={"request_id": request.exchange.id})
        if self._response is None:
            self._response = Response(500, Fields())
            self._refuse(ProxyError(errors.PROXY_INTERNAL_ERROR, "cancelled"))
        self._state = OVER

    def _inform(self, status: int, fields: Fields) -> None:
        """Pass an interim response on, while there is no final one. 101 is none: we do not switch protocols."""
        if self._request is None or self._response is not None or status == 101:
            return
        if status == 100:
            if self._body is None or self._body.ask is None:
                return  # nobody waits for it
            self._body.ask = None
            self._since = self._clock.monotonic()
        self._out.write(encode_interim(status, fields.lines))

    def _continue(self) -> None:
        """The body is read before the origin asked for it: now it is us who want it."""
        if self._response is None:
            self._out.write(encode_interim(100, []))
        self._since = self._clock.monotonic()

    # The end.

    def _no_more(self) -> None:
        """The exchange that runs, if any, is the last."""
        if self._state is OPEN or (self._state is LAST and self._request is None):
            self._state = OVER if self._request is None else LAST

    def _refuse(self, error: ProxyError) -> None:
        if self._state is CLOSED:
            return
        self._codec.stop()
        self._out.holding = True  # until it is settled
        answer = responding.bare(error, self._clock.date)
        self._out.write(answer)
        self._state = OVER
        if self._request is None and self._service.on_done is not None:
            # Nobody would otherwise hear of what was no request: the log is where attacks are looked for.
            exchange = Exchange(self._service.ids.of(None), self._client, self._clock.monotonic() + self._clock.epoch)
            exchange.failure = (error.failure.type, error.detail)
            request = Request("-", self._service.scheme, "-", "-", None, Fields(), exchange)
            self._service.on_done(request, Response(error.status, Fields()), len(answer), True, 0.0)

    def _settle(self) -> None:
        """Act on what the state has become, after everything is written."""
        if self._state is not OVER:
            self._read_or_not()
            return
        self._out.release()
        if self._body is None and not self._codec.pending:
            self._state = CLOSED
            self._transport.close()
        else:
            self._linger()

    def _linger(self) -> None:
        """RFC 9112 §9.6: closed at once, with bytes unread, the answer could be lost with the connection."""
        self._state = LINGERING
        self._since = self._clock.monotonic()
        self._body = None
        self._codec.stop()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._set_reading(True)

    def _read_or_not(self) -> None:
        """Read while there is somebody to take it: neither a full pipe nor requests ahead of their turn."""
        if self._body is not None:
            self._set_reading(not self._body.full)
        else:
            self._set_reading(self._wants_events() or not self._codec.pending)

    def _set_reading(self, reading: bool) -> None:
        if reading != self._reading and not self._transport.is_closing():
            self._reading = reading
            if reading:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def _lost(self) -> None:
        """The client is gone: nobody wants what is being made for it."""
        if self._state is CLOSED:
            return
        self._state = CLOSED
        self._out.close()
        if self._body is not None:
            self._body.fail(ProxyError(errors.HTTP_REQUEST_ERROR, "the client left within its request"))
            self._body = None
        if self._running is not None:
            self._running.cancel()
