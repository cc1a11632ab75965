"""The server's side of an HTTP/2 connection."""

from __future__ import annotations

from proxy import errors
from proxy.codec import calm
from proxy.codec.events import Reset
from proxy.codec.hpack.decoder import Entry
from proxy.codec.http2 import frames
from proxy.codec.http2.session import STREAM_WINDOW, STREAMS, Session, Violation
from proxy.codec.http2.stream import Stream
from proxy.codec.limits import Limits
from proxy.codec.section.kinds import REQUEST
from proxy.codec.section.request import Malformed, request_head, singly, trailers
from proxy.errors import ProxyError


class Http2Server(Session):
    """Requests of one connection, any number at a time.

    What a request came to is ended with `send_fields` or `send`, or else `reset`. draining: no more requests are taken.
    """

    failure = errors.HTTP_REQUEST_ERROR
    CANCELLED = frames.CANCEL
    BROKEN = frames.INTERNAL_ERROR

    def __init__(self, limits: Limits) -> None:
        settings = {frames.MAX_CONCURRENT_STREAMS: STREAMS, frames.NO_RFC7540_PRIORITIES: 1}
        super().__init__(REQUEST, settings, limits.field_section, indexing=True)
        self._limits = limits
        self._preface = frames.PREFACE
        self._last_taken: int | None = None

    def _begin(self, data: bytes) -> int:
        if not self._preface:
            return 0
        size = min(len(self._preface), len(data))
        if data[:size] != self._preface[:size]:
            raise Violation(frames.PROTOCOL_ERROR, "not the preface of HTTP/2")
        self._preface = self._preface[size:]
        return size

    def go_away(self) -> None:
        """A warning that there will be no more; what is on its way is still taken (§6.8)."""
        self.write(frames.goaway(frames.LARGEST_STREAM, frames.NO_ERROR))
        self.ping()

    def take_no_more(self) -> None:
        """Once the other side knows: what comes now will not be looked at, and it is told so."""
        if self._last_taken is None:
            self._last_taken = self.last
            self.write(frames.goaway(self.last, frames.NO_ERROR))

    @property
    def draining(self) -> bool:
        return self._last_taken is not None

    def _highest(self) -> int:
        return self.last if self._last_taken is None else self._last_taken

    def _fields(self, number: int, entries: list[Entry] | None, end: bool) -> None:
        stream = self.streams.get(number)
        if stream is not None:
            self._trailers(stream, entries, end)
        elif number % 2 == 0:
            raise Violation(frames.PROTOCOL_ERROR, "a request on a stream that is not the client's to open")
        elif not self._is_late(number):
            self.last = number
            if self._last_taken is not None:
                self._remember(number)  # it knows that we do not look at it
            elif len(self.streams) >= STREAMS:
                self._remember(number)
                self.write(frames.rst_stream(number, frames.REFUSED_STREAM))
                self._spend(calm.FRAME)
            else:
                self._request(number, entries, end)

    def _request(self, number: int, entries: list[Entry] | None, end: bool) -> None:
        stream = self.streams[number] = Stream(number, self._peer_window, STREAM_WINDOW)
        stream.headed = True
        try:
            if entries is None:
                detail = f"header section is longer than {self._limits.field_section} bytes"
                raise ProxyError(errors.HTTP_REQUEST_ERROR, detail, status=431)
            head = request_head(entries, number, end, self._limits, "2")
        except Malformed as error:
            self.malformed(stream, str(error))
            return
        except ProxyError as refusal:
            self.refuse(stream, refusal)
            stream.receiving = not end
            return
        self._events.append(head)
        if end:
            self._received_end(stream, None)
        else:
            stream.left = head.length
        self._calm.earn(calm.REQUEST)

    def refuse(self, stream: Stream, error: ProxyError) -> None:
        """Its client is to be answered with this, and nothing more of it is wanted."""
        stream.unwanted = True
        self._events.append(Reset(error, stream.id, answerable=True))

    def _body(self, stream: Stream, data: bytes, end: bool) -> None:
        most = self._limits.body
        if most is not None and stream.received + len(data) > most and not stream.unwanted:
            self.refuse(stream, ProxyError(self.failure, f"body is longer than {most} bytes", status=413))
        super()._body(stream, data, end)

    def _trailers(self, stream: Stream, entries: list[Entry] | None, end: bool) -> None:
        if not stream.receiving:
            raise Violation(frames.STREAM_CLOSED, "HEADERS behind the end of a request")
        if not end:
            self.malformed(stream, "a second head")
        elif stream.left:
            self.malformed(stream, "the body is not as long as its content-length says")
        elif entries is None or len(entries := singly(entries)) > self._limits.field_lines:
            self.refuse(stream, ProxyError(self.failure, "trailer section is too long", status=431))
            stream.receiving = False
        else:
            try:
                fields = trailers(entries)
            except Malformed as error:
                self.malformed(stream, str(error))
            else:
                self._received_end(stream, fields)

    def _was_reset(self, stream: Stream, code: int) -> None:
        self._events.append(Reset(ProxyError(self.failure, "the client gave up its request"), stream.id))
        self._spend(calm.RESET)

    def _sent_end(self, stream: Stream) -> None:
        self._calm.earn(calm.ANSWERED)
        if stream.receiving:  # §8.1: answered without the rest of it, which nobody wants
            self._remember(stream.id)
            self.write(frames.rst_stream(stream.id, frames.NO_ERROR))
            stream.receiving = False
        super()._sent_end(stream)
