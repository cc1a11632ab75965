"""One connection to an origin, which carries one exchange after the other."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

from proxy import errors
from proxy.codec.chunked import encode_chunk, encode_last_chunk
from proxy.codec.events import Data, End, Event, Interim, ResponseHead, Switched
from proxy.codec.http1_client import Http1Client
from proxy.errors import ProxyError, Repeat
from proxy.exchange import End as TunnelEnd
from proxy.exchange import Pipe, Request, Response, Stream
from proxy.exchange.running import Answer
from proxy.http.fields import Fields
from proxy.upstream.secure import failure as tls_failure

NEVER: Final = float("inf")

CONTINUE_WAIT = 1.0
"""Seconds that a request with `Expect: 100-continue` waits for the 100 before its body is sent anyway
(RFC 9110 §10.1.1: an origin that does not know the expectation would never send one)."""

_ONE_WRITE: Final = 16 * 1024
"""Up to here copying a body behind its head costs less than another write."""


class Connection(asyncio.Protocol):
    """response_timeout: seconds for the response to begin once the request is sent. body_timeout: between two pieces of
    either body.

    loop: the one it is of. To ask which one runs costs a system call, up to Python 3.11.
    `free` is called when it can carry another exchange, `lost` once when it is closed. Deadlines are kept here and
    looked at by `check`, which somebody calls now and then: a timer for each exchange would cost more than the rest
    of the bookkeeping.
    """

    def __init__(
        self,
        response_timeout: float,
        body_timeout: float,
        free: Callable[[Connection], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self._response_timeout = response_timeout
        self._body_timeout = body_timeout
        self._free = free
        self._lost = lost
        self._transport = cast(asyncio.Transport, None)
        self._codec = Http1Client()
        self._writable: asyncio.Future[None] | None = None  # there is one while writing is paused
        self._unsent = 0  # bytes that the origin had not taken when somebody looked
        self._write_by = NEVER
        self._served = 0
        self._heard = False  # a byte of the response has come
        self._body_read = False  # something of the request's body is gone
        self.closed = False
        self.broken: ProxyError | None = None
        """Why the body of a response that was already passed on has no end."""
        self._reset()

    def _reset(self) -> None:
        """Between exchanges."""
        self._answer: Answer | None = None  # there is one while there is an exchange
        self._request: Request | None = None
        self._head: ResponseHead | None = None
        self._chunks: list[bytes] = []  # of a body for which there is no pipe yet
        self._pipe: Pipe | None = None
        self._paused = False
        self._upload: asyncio.Task[None] | None = None
        self._go_ahead: asyncio.Future[None] | None = None
        self._sent = False
        self._read_by = NEVER

    # For whoever has taken it from the pool.

    def ask(self, request: Request, head: bytes) -> Answer:
        """What comes of this request; `head` is the request's, encoded. Whoever is cancelled while waiting for it has
        to `abandon` it."""
        self._heard = self._body_read = False
        answer = Answer(self.loop)
        if self.closed:
            answer.set_exception(ProxyError(errors.CONNECTION_TERMINATED, "the origin closed the connection"))
            return answer
        self._codec.expect(request.method, None if request.switch is None else request.switch.offer)
        self._request = request
        self._answer = answer
        body = request.body
        if not isinstance(body, bytes):
            self._transport.write(head)
            self._upload = self.loop.create_task(self._send_body(request, body))
        else:
            if len(body) <= _ONE_WRITE:
                self._transport.write(head + body)
            else:
                self._transport.write(head)
                self._transport.write(body)
            self._request_sent()
        return answer

    def abandon(self, answer: Answer | None) -> None:
        """Nobody wants it any more: closes the connection, unless the exchange is over already."""
        if self._answer is answer and answer is not None:
            self._stop_sending()
            self._reset()
            self._shut()

    @property
    def stale(self) -> bool:
        """It had been closed by the origin, as it turned out when it was used again; and the request it was used for
        can be sent on another one: nothing of its body is gone. Asked after `ask` failed."""
        return self.closed and self._served > 0 and not self._heard and not self._body_read

    @property
    def repeat(self) -> Repeat:
        """Which requests may be sent again after `ask` failed."""
        return Repeat.NEVER if self._heard or self._body_read else Repeat.IDEMPOTENT

    def check(self, now: float) -> None:
        """Fail the exchange if its time is over."""
        if self._writable is not None and (self._sent or self._upload is not None):
            self._check_writing(now)
        elif now > self._read_by:
            if self._head is None:
                detail = f"no response within {self._response_timeout:g} s"
                self._fail(ProxyError(errors.HTTP_RESPONSE_TIMEOUT, detail))
            else:
                detail = f"the origin sent nothing for {self._body_timeout:g} s"
                self._fail(ProxyError(errors.CONNECTION_READ_TIMEOUT, detail))

    def _check_writing(self, now: float) -> None:
        unsent = self._transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._unsent = unsent
            self._write_by = now + self._body_timeout
        elif now > self._write_by:
            detail = f"the origin took nothing for {self._body_timeout:g} s"
            self._fail(ProxyError(errors.CONNECTION_WRITE_TIMEOUT, detail))

    def close(self) -> None:
        """At once; an exchange that is going on fails."""
        if self._answer is not None:
            self._fail(ProxyError(errors.DESTINATION_UNAVAILABLE, "the proxy closed its connections to the origin"))
        else:
            self._shut()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self._shut()  # nobody asked
            return
        self._heard = True
        self._handle(self._codec.receive(data))

    def eof_received(self) -> None:
        if self._answer is not None:
            self._handle(self._codec.receive_eof())
        else:
            self._shut()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None:
            if isinstance(exc, ssl.SSLError) and not self._heard:  # in TLS 1.3, also what is wrong with our certificate
                self._fail(tls_failure("the origin", exc))
                return
            failure = errors.HTTP_RESPONSE_INCOMPLETE if self._heard else errors.CONNECTION_TERMINATED
            self._fail(ProxyError(failure, f"the connection broke: {exc or 'closed'}"))
        else:
            self._shut()

    def pause_writing(self) -> None:
        self._writable = self.loop.create_future()
        self._unsent = self._transport.get_write_buffer_size()
        self._write_by = self.loop.time() + self._body_timeout

    def resume_writing(self) -> None:
        writable, self._writable = self._writable, None
        if self._sent and self._head is None:
            self._request_sent()  # now it really is
        if writable is not None and not writable.done():
            writable.set_result(None)

    # The request.

    def _request_sent(self) -> None:
        self._sent = True
        self._read_by = self.loop.time() + self._response_timeout

    async def _send_body(self, request: Request, body: Stream) -> None:
        """A task of its own, as the answer may come before the request is sent."""
        try:
            if (request.fields.get(b"expect") or b"").lower() == b"100-continue":
                await self._wait_for_go_ahead()
            self._body_read = True
            length = body.length
            sent = 0
            while chunk := await body.read():
                sent += len(chunk)
                if length is not None and sent > length:
                    break
                self._transport.write(encode_chunk(chunk) if length is None else chunk)
                if self._writable is not None:
                    await self._writable
            if length is None:
                self._transport.write(encode_last_chunk(body.trailers))
            elif sent != length:
                detail = f"a request body announced with {length} bytes has {'more' if sent > length else sent}"
                raise ProxyError(errors.PROXY_INTERNAL_ERROR, detail)
        except Exception as error:
            self._upload = None
            self._fail(error)
        else:
            self._upload = None
            self._request_sent()

    async def _wait_for_go_ahead(self) -> None:
        self._go_ahead = self.loop.create_future()
        with suppress(TimeoutError):
            async with asyncio.timeout(CONTINUE_WAIT):
                await self._go_ahead

    def _stop_sending(self) -> None:
        """The origin has answered without the rest of the request, or will not answer any more."""
        if self._upload is not None:
            self._upload.cancel()
            self._upload = None
            if self._body_read:
                cast(Stream, cast(Request, self._request).body).close()

    # The response.

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Data):
                if self._pipe is None:
                    self._chunks.append(event.data)
                else:
                    self._pipe.feed(event.data)
            elif isinstance(event, ResponseHead):
                self._head = event
                if not self._sent and event.status >= 400:  # RFC 9112 §9.5
                    self._stop_sending()
            elif isinstance(event, End):
                self._finish(event.trailers)
                return
            elif isinstance(event, Interim):
                self._inform(event)
            elif isinstance(event, Switched):
                self._switch(event)
                return
            elif isinstance(event, ProxyError):
                self._fail(event)
                return
        if self._head is not None:
            self._streaming(self._head)

    def _inform(self, interim: Interim) -> None:
        if interim.status == 100 and self._go_ahead is not None and not self._go_ahead.done():
            self._go_ahead.set_result(None)
        inform = cast(Request, self._request).exchange.inform
        if inform is not None:
            inform(interim.status, interim.fields)

    def _switch(self, switched: Switched) -> None:
        """The connection speaks another protocol from now on, and is no longer one of the pool's."""
        if self._writable is not None:
            self._fail(ProxyError(errors.HTTP_PROTOCOL_ERROR, "101 Switching Protocols within the request"))
            return
        switch, answer = cast(Request, self._request).switch, self._answer
        self._reset()
        self.closed = True
        end = TunnelEnd(self._transport, switched.data)
        self._lost(self)
        if switch is not None and answer is not None and not answer.done():
            switch.origin = end
            answer.set_result(Response(101, switched.fields))
        else:
            end.abort()

    def _streaming(self, head: ResponseHead) -> None:
        """The body did not come with the head: pass on what there is, and go on."""
        if self._upload is None and not self._paused:
            self._read_by = self.loop.time() + self._body_timeout
        if self._pipe is not None:
            return
        pipe = self._pipe = self._open_pipe(head.length)
        for chunk in self._chunks:
            pipe.feed(chunk)
        _deliver(self._answer, head, pipe)

    def _open_pipe(self, length: int | None) -> Pipe:
        """Its reader may hold it longer than the connection is busy with it, or be gone long before."""

        def pause() -> None:
            self._paused = True
            self._read_by = NEVER
            self._transport.pause_reading()

        def resume() -> None:
            if self._pipe is pipe:
                self._resume_reading()
                self._read_by = self.loop.time() + self._body_timeout

        def abandon() -> None:
            if self._pipe is pipe:
                self.abandon(self._answer)

        pipe = Pipe(length, pause=pause, resume=resume, on_close=abandon)
        return pipe

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    # The end of an exchange.

    def _finish(self, trailers: Fields | None) -> None:
        """The response is whole."""
        head, answer = cast(ResponseHead, self._head), self._answer
        body = self._whole_body(trailers)
        self._stop_sending()
        self._resume_reading()
        reusable = self._sent and self._codec.reusable
        self._served += 1
        self._reset()
        try:
            if body is not None:
                _deliver(answer, head, body)
        finally:  # not before: what the origin may have sent unasked must not answer the next request of this client
            if reusable and not self.closed:
                self._free(self)
            else:
                self._shut()

    def _whole_body(self, trailers: Fields | None) -> bytes | Pipe | None:
        """None: it was passed on before its end."""
        if self._pipe is not None:
            self._pipe.end(trailers)
            return None
        chunks = self._chunks
        if trailers is None:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        pipe = Pipe()
        for chunk in chunks:
            pipe.feed(chunk)
        pipe.end(trailers)
        return pipe

    def _fail(self, error: Exception) -> None:
        answer, pipe = self._answer, self._pipe
        self._stop_sending()
        self._reset()
        if pipe is not None:
            self.broken = _as_failure(error)
            pipe.fail(self.broken)
        elif answer is not None and not answer.done():
            answer.set_exception(error)
        self._shut()

    def _shut(self) -> None:
        if not self.closed:
            self.closed = True
            self._transport.abort()
            self._lost(self)


def _deliver(answer: Answer | None, head: ResponseHead, body: bytes | Pipe) -> None:
    """The exchange goes on in it."""
    if answer is not None and not answer.done():
        answer.set_result(Response(head.status, head.fields, body))


def _as_failure(error: Exception) -> ProxyError:
    return error if isinstance(error, ProxyError) else ProxyError(errors.PROXY_INTERNAL_ERROR, repr(error))
