"""One HTTP/2 connection to an origin, which carries many exchanges at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import cast

from proxy import errors
from proxy.codec.events import Data, End, Event, Interim, Preface, RequestHead, Reset, ResponseHead
from proxy.codec.http2 import frames
from proxy.codec.http2.client import Http2Client, request_lines
from proxy.codec.http2.stream import Stream
from proxy.errors import ProxyError, Repeat
from proxy.exchange import Pipe, Request, Response, length_of
from proxy.exchange import Stream as BodyStream
from proxy.exchange.windowed import WindowedPipe

ONE_WRITE = 64 * 1024
"""Bytes that are put together for one write."""


class Unprocessed(Exception):
    """The origin has done nothing for the request, and nothing of its body is gone: it may be sent again."""

    def __init__(self, error: ProxyError) -> None:
        super().__init__(str(error))
        self.error = error


class Exchange:
    """read_by: when the origin has to have sent something more."""

    __slots__ = ("answer", "body_read", "chunks", "head", "pipe", "read_by", "request", "stream", "upload", "waiter")

    def __init__(self, request: Request, stream: Stream, answer: asyncio.Future[Response]) -> None:
        self.request = request
        self.stream = stream
        self.answer = answer
        self.head: ResponseHead | None = None
        self.chunks: list[bytes] = []  # of a body for which there is no pipe yet
        self.pipe: WindowedPipe | None = None
        self.upload: asyncio.Task[None] | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.body_read = False
        self.read_by = inf

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Http2Connection(asyncio.Protocol):
    """response_timeout: seconds for a response to begin once its request is sent. body_timeout: between two pieces of
    either body.

    changed: called when there may be room for another exchange. lost: called once, when it is closed.
    """

    def __init__(
        self,
        response_timeout: float,
        body_timeout: float,
        changed: Callable[[Http2Connection], None],
        lost: Callable[[Http2Connection], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._response_timeout = response_timeout
        self._body_timeout = body_timeout
        self._changed = changed
        self._lost = lost
        self._transport = cast(asyncio.Transport, None)
        self._codec = Http2Client()
        self._exchanges: dict[int, Exchange] = {}
        self._flushing = False
        self._draining = False
        self.closed = False
        self.idle_since = self._heard = self._loop.time()

    # For whoever chooses between connections.

    @property
    def room(self) -> bool:
        return not self.closed and not self._draining and self._codec.room

    @property
    def load(self) -> int:
        return len(self._exchanges)

    async def send(self, request: Request) -> Response:
        """The response to this request. Raises ProxyError, or Unprocessed. Cancelling resets its stream."""
        body = request.body
        length = length_of(body)
        lines = request_lines(
            request.method, request.scheme, request.authority, request.target, request.fields.lines, length
        )
        stream = self._codec.open(request.method)
        try:
            self._codec.send_fields(stream, lines, end=body == b"")
        except ProxyError:
            self._codec.abandon(stream)
            raise
        exchange = self._exchanges[stream.id] = Exchange(request, stream, self._loop.create_future())
        if not isinstance(body, bytes):
            exchange.upload = self._loop.create_task(self._upload(exchange, body))
        else:
            if body:
                self._codec.send(stream, body, end=True)
            exchange.read_by = self._loop.time() + self._response_timeout
        self._flush_soon()
        try:
            return await exchange.answer
        except asyncio.CancelledError:
            self._abandon(exchange)
            raise

    def check(self, now: float) -> None:
        """Fail the exchanges whose time is over. Where nothing at all came in that time, the connection may be dead:
        others are not sent on it."""
        for exchange in list(self._exchanges.values()):
            if now > exchange.read_by and not (exchange.pipe is not None and exchange.pipe.holds):
                failure = errors.HTTP_RESPONSE_TIMEOUT if exchange.head is None else errors.CONNECTION_READ_TIMEOUT
                sent = exchange.head is None and exchange.waiter is None
                since = exchange.read_by - (self._response_timeout if sent else self._body_timeout)
                self._draining |= self._heard < since
                self._give_up(exchange, ProxyError(failure, "the origin sent nothing for too long"))

    def drain(self) -> None:
        """To be closed once nothing runs on it."""
        self._draining = True
        if not self._exchanges:
            self.close()

    def close(self) -> None:
        """At once; exchanges that are going on fail."""
        if not self.closed:
            self._codec.end(frames.NO_ERROR)
            self._flush()
            self._end(ProxyError(errors.DESTINATION_UNAVAILABLE, "the proxy closed its connections to the origin"))

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._heard = self._loop.time()
        events = self._codec.receive(data, self._heard)
        for event in events:
            self._handle(event)
        for number in {event.stream for event in events if isinstance(event, ResponseHead | Data)}:
            if (exchange := self._exchanges.get(number)) is not None and exchange.head is not None:
                self._streaming(exchange, exchange.head)
        self._flush()
        if self._codec.over:
            self._end(ProxyError(errors.HTTP_PROTOCOL_ERROR, "the connection ended"))
        elif self._codec.going and not self._exchanges:
            self.close()
        else:
            self._changed(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(ProxyError(errors.CONNECTION_TERMINATED, f"the connection broke: {exc or 'closed'}"))

    def pause_writing(self) -> None:
        self._codec.paused = True

    def resume_writing(self) -> None:
        self._codec.paused = False
        self._flush()
        for exchange in list(self._exchanges.values()):
            exchange.wake()

    # Requests.

    async def _upload(self, exchange: Exchange, body: BodyStream) -> None:
        """A task of its own, as the answer may come before the request is sent."""
        codec, stream, sent = self._codec, exchange.stream, 0
        try:
            exchange.body_read = True
            while piece := await body.read():
                sent += len(piece)
                if not stream.sending or (body.length is not None and sent > body.length):
                    break
                codec.send(stream, piece, end=False)
                await self._written(exchange)
            if body.length is not None and sent != body.length:
                detail = f"a request body announced with {body.length} bytes has {sent}"
                raise ProxyError(errors.PROXY_INTERNAL_ERROR, detail)
            if stream.sending:
                codec.send(stream, b"", end=True, trailers=body.trailers)
                await self._written(exchange)
        except Exception as error:
            exchange.upload = None
            self._give_up(exchange, error)
        else:
            exchange.upload = None
            exchange.read_by = self._loop.time() + self._response_timeout

    async def _written(self, exchange: Exchange) -> None:
        self._flush_soon()
        while exchange.stream.waiting or (self._codec.paused and exchange.stream.sending):
            exchange.waiter = self._loop.create_future()
            exchange.read_by = self._loop.time() + self._body_timeout
            try:
                await exchange.waiter
            finally:
                exchange.waiter = None
                exchange.read_by = inf

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        codec = self._codec
        while not self.closed:
            done = [] if codec.paused else codec.pump(ONE_WRITE)
            if codec.size:
                self._transport.write(codec.take())
            for stream in done:
                if (exchange := self._exchanges.get(stream.id)) is not None:
                    exchange.wake()
            if codec.paused or not codec.can_pump:
                break

    # Responses.

    def _handle(self, event: Event) -> None:
        if isinstance(event, ProxyError):
            self._end(event)
            return
        if isinstance(event, RequestHead | Preface):
            return  # a client's codec has none
        exchange = self._exchanges.get(event.stream)
        if exchange is None:
            if isinstance(event, Data):
                self._codec.consumed(event.stream, len(event.data))
        elif isinstance(event, Data):
            if exchange.pipe is None:
                exchange.chunks.append(event.data)
            else:
                exchange.pipe.feed(event.data)
        elif isinstance(event, ResponseHead):
            exchange.head = event
        elif isinstance(event, End):
            self._finish(exchange, event)
        elif isinstance(event, Interim):
            inform = exchange.request.exchange.inform
            if inform is not None:
                inform(event.status, event.fields)
        elif isinstance(event, Reset):
            self._fail(exchange, event.error, unprocessed=event.unprocessed)

    def _streaming(self, exchange: Exchange, head: ResponseHead) -> None:
        """The body did not come with the head: pass on what there is, and go on."""
        exchange.read_by = self._loop.time() + self._body_timeout
        if exchange.pipe is None:
            pipe = self._open_pipe(exchange, head.length)
            self._deliver(exchange, head, pipe)

    def _open_pipe(self, exchange: Exchange, length: int | None) -> WindowedPipe:
        def consumed(size: int) -> None:
            if not self.closed:
                self._codec.consumed(exchange.stream.id, size)
                exchange.read_by = self._loop.time() + self._body_timeout
                self._flush_soon()

        def abandon() -> None:
            if self._exchanges.get(exchange.stream.id) is exchange:
                self._abandon(exchange)

        pipe = exchange.pipe = WindowedPipe(length, consumed, abandon)
        for chunk in exchange.chunks:
            pipe.feed(chunk)
        exchange.chunks.clear()
        return pipe

    def _deliver(self, exchange: Exchange, head: ResponseHead, body: bytes | Pipe) -> None:
        if not exchange.answer.done():
            exchange.answer.set_result(Response(head.status, head.fields, body))

    # The end of an exchange.

    def _finish(self, exchange: Exchange, end: End) -> None:
        """The response is whole."""
        head = cast(ResponseHead, exchange.head)
        if exchange.pipe is None and end.trailers is None:
            body = b"".join(exchange.chunks)
            self._codec.consumed(exchange.stream.id, len(body))
            self._deliver(exchange, head, body)
        else:
            pipe = exchange.pipe or self._open_pipe(exchange, head.length)
            pipe.end(end.trailers)
            self._deliver(exchange, head, pipe)
        if exchange.stream.sending:
            self._codec.reset(exchange.stream, frames.NO_ERROR)  # answered without the rest of the request
        self._over(exchange)

    def _fail(self, exchange: Exchange, error: Exception, *, unprocessed: bool = False) -> None:
        if exchange.pipe is not None:
            internal = ProxyError(errors.PROXY_INTERNAL_ERROR, repr(error))
            exchange.pipe.fail(error if isinstance(error, ProxyError) else internal)
        elif not exchange.answer.done():
            if isinstance(error, ProxyError) and not exchange.body_read:
                error.repeat = Repeat.IDEMPOTENT
                if unprocessed:
                    error = Unprocessed(error)
            exchange.answer.set_exception(error)
        self._over(exchange)

    def _give_up(self, exchange: Exchange, error: Exception) -> None:
        if self._exchanges.get(exchange.stream.id) is exchange:
            self._codec.reset(exchange.stream, frames.CANCEL)
            self._fail(exchange, error)
            self._flush_soon()

    def _abandon(self, exchange: Exchange) -> None:
        """Nobody wants the response any more."""
        if self._exchanges.get(exchange.stream.id) is exchange:
            self._codec.reset(exchange.stream, frames.CANCEL)
            self._over(exchange)
            self._flush_soon()

    def _over(self, exchange: Exchange) -> None:
        del self._exchanges[exchange.stream.id]
        if exchange.upload is not None:
            exchange.upload.cancel()
            exchange.upload = None
            if not isinstance(exchange.request.body, bytes):
                exchange.request.body.close()
        self.idle_since = self._loop.time()
        if self._draining and not self._exchanges:
            self._loop.call_soon(self.close)
        self._changed(self)

    def _end(self, error: ProxyError) -> None:
        if self.closed:
            return
        self.closed = True
        self._codec.over = True
        for exchange in list(self._exchanges.values()):
            self._fail(exchange, error)
        self._transport.close()
        self._lost(self)
