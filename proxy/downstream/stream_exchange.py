"""One exchange of a connection that carries many: of HTTP/2 and HTTP/3, which only the codec tells apart."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from proxy import errors
from proxy.codec.events import RequestHead
from proxy.codec.section.response import interim_lines, response_lines
from proxy.codec.stream import Stream
from proxy.downstream import responding
from proxy.downstream.client_cert import ClientCert, certify
from proxy.downstream.service import Service
from proxy.errors import ProxyError
from proxy.exchange import Body, Exchange, Request, Response
from proxy.exchange import Stream as BodyStream
from proxy.exchange.running import Running, run
from proxy.exchange.windowed import WindowedPipe
from proxy.http.fields import Fields, FixedLines, Line

if TYPE_CHECKING:
    from proxy.downstream.multiplexed import Multiplexed

logger = logging.getLogger(__name__)


class Codec(Protocol):
    """The server's side of a connection, as exchanges see it. A stream that it is given is one of its own.

    CANCELLED, BROKEN: codes of a `reset`, when the client is given up, and when a response is not whole. paused: the
    client takes less than is written. size: bytes written that are not on their way. streams: those that are open, by
    number.
    """

    CANCELLED: int
    BROKEN: int
    paused: bool
    over: bool
    size: int
    streams: dict[int, Any]

    def send_fields(self, stream: Any, lines: list[Line], *, end: bool, begun: FixedLines | None = None) -> int:
        """A header section: lines in front that are likely to come again, and these. Returns its size as it is sent.
        Raises ProxyError (proxy_internal_error) when a line is none that a message may have, and nothing is sent."""

    def send(self, stream: Any, data: bytes, *, end: bool, trailers: Fields | None = None) -> None:
        """The next piece of the body, when nothing of it waits. end: it is the last one, and trailers follow it."""

    def reset(self, stream: Any, code: int) -> None: ...

    def abandon(self, stream: Any) -> None:
        """It ends here, before it is over, and nothing is sent."""

    def consumed(self, number: int, size: int) -> None:
        """So much of the body of a stream, which may be gone, was read and is out of memory."""


class StreamBody(WindowedPipe):
    """The body of a request while it arrives.

    ask: asks the client for it (RFC 9110 §10.1.1), when it is first read; None when nobody has to (any more).
    """

    __slots__ = ("ask",)

    def __init__(self, length: int | None, consumed: Callable[[int], None], ask: Callable[[], None] | None) -> None:
        super().__init__(length, consumed)
        self.ask = ask

    def feed(self, chunk: bytes) -> None:
        self.ask = None  # it did not wait
        super().feed(chunk)

    def take(self) -> bytes | None:
        if self.ask is not None and not self.ended:
            ask, self.ask = self.ask, None
            ask()
        return super().take()


class StreamExchange:
    """Runs one exchange; one that has nothing to wait for is over when `begin` returns.

    moved: when the client last did something for it. body: None once the request is whole.
    """

    __slots__ = (
        "_carrier", "_head", "_head_size", "_progress", "_response", "_running", "_service", "_started", "_waiter",
        "body", "moved", "request", "stream",
    )  # fmt: skip

    request: Request

    def __init__(self, service: Service, carrier: Multiplexed[Any], head: RequestHead, stream: Stream) -> None:
        self._service = service
        self._carrier = carrier
        self._head = head
        self._head_size = 0
        self._response: Response | None = None
        self._running: Running | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._progress = 0
        self.stream = stream
        self.body: StreamBody | None = None
        self.moved = self._started = service.clock.monotonic()

    def begin(self, whole: bytes | None) -> None:
        """whole: the body, if all of it is there; else it is to be fed to `body`."""
        service, head = self._service, self._head
        given = head.fields.get(b"x-request-id")
        exchange = Exchange(
            service.ids.of(given), self._carrier.client, self._started + service.clock.epoch, self._inform, head.version
        )
        body: Body
        if whole is None:
            waits = b"expect" in head.fields
            body = self.body = StreamBody(head.length, self._consumed, self._continue if waits else None)
        else:
            body = whole
        self.request = Request(
            head.method, service.scheme, head.authority, head.path, head.query, head.fields, exchange, body
        )
        if service.client_cert is not ClientCert.PASSED:
            certify(head.fields, self._carrier.certificate)
        try:
            running = run(self._run(), self._finished)
        except (Exception, asyncio.CancelledError) as error:
            self._end(error)
            return
        if running is None:
            self._end(None)
        else:
            self._running = running
            service.load.running += 1

    async def _run(self) -> None:
        request = self.request
        try:
            load = self._service.load
            answered = load.running < load.room or load.admitted()
            response = await (self._service.handler if answered else load.shed)(request)
        except Exception:
            logger.exception("no answer", extra={"request_id": request.exchange.id})
            response = Response(500, Fields())
        if self._service.alternative is not None:
            response = responding.with_alternative(response, self._service.alternative)
        self._response = response
        body = response.body
        if isinstance(body, bytes):
            if self.body is not None:
                self._unwanted()
            if self._begin_response(response, len(body)):
                self._carrier.codec.send(self.stream, body, end=True)
                while self.stream.waiting:
                    await self._drained()
        else:
            try:
                await self._send(response, body)
            finally:
                body.close()

    def _begin_response(self, response: Response, length: int | None) -> bool:
        """Write the head. Returns whether a body is to follow."""
        codec, stream = self._carrier.codec, self.stream
        try:
            begun, lines, has_body = response_lines(
                self._head.method,
                response.status,
                response.fields,
                self._service.clock.date_line,
                length,
            )
            more = has_body and length != 0
            self._head_size += codec.send_fields(stream, lines, end=not more, begun=begun)
        except ProxyError as error:
            self._response = Response(error.status, Fields())
            self.request.exchange.failure = (error.failure.type, error.detail)
            self._head_size = refuse(codec, stream, error, self._service)
            return False
        return more

    async def _send(self, response: Response, body: BodyStream) -> None:
        """As fast as the client takes it."""
        codec, stream, left = self._carrier.codec, self.stream, body.length
        if not self._begin_response(response, left):
            return
        while piece := await body.read():
            if left is not None:
                if len(piece) > left:
                    raise ProxyError(errors.HTTP_RESPONSE_BODY_SIZE, "the body is longer than announced")
                left -= len(piece)
            if not stream.sending:
                return
            codec.send(stream, piece, end=False)
            self._carrier.flush_soon()
            while stream.waiting or codec.paused:
                await self._drained()
        if left:
            raise ProxyError(errors.HTTP_RESPONSE_INCOMPLETE, f"the body is {left} bytes shorter than announced")
        if self.body is not None:
            self._unwanted()
        codec.send(stream, b"", end=True, trailers=body.trailers)
        while stream.waiting:
            await self._drained()

    async def _drained(self) -> None:
        self._carrier.flush_soon()
        self._progress, self.moved = self.stream.sent, self._service.clock.monotonic()
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # What the connection calls.

    def wake(self) -> None:
        """What was to be sent may be sent by now."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def lost(self, error: ProxyError) -> None:
        """The stream is gone: nobody wants what is being made for it."""
        self._fail_body(error)
        if self._running is not None:
            self._running.cancel()

    def broken(self, error: ProxyError) -> None:
        """The request is not whole and will not be; its client can still be answered."""
        self._fail_body(error)

    def _fail_body(self, error: ProxyError) -> None:
        if self.body is not None:
            self.body.fail(error)
            self.body = None

    def check(self, now: float) -> None:
        """End it if its client lets it wait for too long."""
        stream, timeouts, waited = self.stream, self._service.timeouts, now - self.moved
        if self._waiter is not None:
            if stream.sent != self._progress:
                self._progress, self.moved = stream.sent, now
            elif waited > timeouts.write:
                self._give_up(ProxyError(errors.HTTP_REQUEST_ERROR, "the client took nothing", status=408))
        elif self.body is not None and waited > timeouts.body and not self.body.holds and self.body.ask is None:
            self.stream.unwanted = True
            self.broken(ProxyError(errors.HTTP_REQUEST_ERROR, "the request body stopped", status=408))

    def _give_up(self, error: ProxyError) -> None:
        self._carrier.codec.reset(self.stream, self._carrier.codec.CANCELLED)
        self.request.exchange.failure = (error.failure.type, error.detail)
        self.lost(error)

    # The request.

    def _consumed(self, size: int) -> None:
        self.moved = self._service.clock.monotonic()
        self._carrier.codec.consumed(self.stream.id, size)
        self._carrier.flush_soon()

    def _unwanted(self) -> None:
        """The answer is there without the rest of the request."""
        assert self.body is not None
        self.stream.unwanted = True
        self.body.close()
        self.body = None

    def _inform(self, status: int, fields: Fields) -> None:
        """Pass an interim response on, while there is no final one. There is no 101 (RFC 9113 §8.6, RFC 9114 §4.5)."""
        if self._response is not None or status == 101 or not self.stream.sending:
            return
        if status == 100:
            if self.body is None or self.body.ask is None:
                return  # nobody waits for it
            self.body.ask = None
        self._interim(status, fields)

    def _continue(self) -> None:
        """The body is read before the origin asked for it: now it is us who want it."""
        if self._response is None and self.stream.sending:
            self._interim(100, Fields())

    def _interim(self, status: int, fields: Fields) -> None:
        self.moved = self._service.clock.monotonic()
        try:
            self._carrier.codec.send_fields(self.stream, interim_lines(status, fields), end=False)
        except ProxyError as error:
            logger.warning("interim response left out: %s", error, extra={"request_id": self.request.exchange.id})
        self._carrier.flush_soon()

    # The end.

    def _finished(self, error: BaseException | None) -> None:
        self._running = None
        self._service.load.running -= 1
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        service, request, stream = self._service, self.request, self.stream
        exchange = request.exchange
        exchange.inform = None
        complete = error is None and not stream.sending and not stream.aborted
        if not complete and not stream.aborted:
            self._failed(error)
        response = self._response or Response(499, Fields())
        if self.body is not None:
            self._unwanted()
        now = service.clock.monotonic()
        self._carrier.ended(self, now)
        if service.on_done is not None:
            try:
                service.on_done(request, response, self._head_size + stream.sent, complete, now - self._started)
            except Exception:
                logger.exception("on_done", extra={"request_id": exchange.id})

    def _failed(self, error: BaseException | None) -> None:
        """Without its end, and with a reset, the client sees that the response is not whole."""
        exchange, codec = self.request.exchange, self._carrier.codec
        if isinstance(error, ProxyError):
            exchange.failure = (error.failure.type, error.detail)
            logger.warning("response cut off: %s", error, extra={"request_id": exchange.id})
        else:
            logger.error("response cut off", exc_info=error, extra={"request_id": exchange.id})
        if self._response is None:
            self._response = Response(500, Fields())
            detail = "cancelled"
            self._head_size = refuse(codec, self.stream, ProxyError(errors.PROXY_INTERNAL_ERROR, detail), self._service)
        else:
            codec.reset(self.stream, codec.BROKEN)


def refuse(codec: Codec, stream: Stream, error: ProxyError, service: Service) -> int:
    """Answer what is no request, or came to nothing. Returns the size of the head."""
    lines, text = responding.refusal(error)
    lines = [
        (b":status", b"%d" % error.status),
        *lines,
        service.clock.date_line,
        (b"content-length", b"%d" % len(text)),
    ]
    size = codec.send_fields(stream, lines, end=False)
    codec.send(stream, text, end=True)
    return size
