"""The server's side of an HTTP/3 connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aioquic.quic import events as quic_events

from proxy import errors
from proxy.codec import calm
from proxy.codec.calm import Calm
from proxy.codec.events import Data, End, Event, Reset
from proxy.codec.hpack.decoder import Entry
from proxy.codec.http3 import frames, qpack
from proxy.codec.http3.control import Control, Violation
from proxy.codec.http3.stream import Stream
from proxy.codec.limits import Limits
from proxy.codec.quic.connection import Quic
from proxy.codec.section.kinds import REQUEST
from proxy.codec.section.request import Malformed, request_head, trailers
from proxy.errors import ProxyError
from proxy.http.fields import Fields, FixedLines, Line

PIECE = 16 * 1024
"""Bytes of the largest DATA frame sent."""

_NOT_HERE = frames.OF_HTTP2 | {
    frames.CANCEL_PUSH, frames.SETTINGS, frames.PUSH_PROMISE, frames.GOAWAY, frames.MAX_PUSH_ID,
}  # fmt: skip

_PING = 1


class Http3Server:
    """Requests of one connection, any number at a time, over the streams of `quic`.

    What a request came to is ended with `send_fields` or `send`, or else `reset`. ready: the handshake is done. over:
    nothing is received or sent any more. ponged: the client has answered since `go_away`.
    """

    failure = errors.HTTP_REQUEST_ERROR
    CANCELLED = frames.REQUEST_CANCELLED
    BROKEN = frames.INTERNAL_ERROR
    paused = False
    size = 0

    def __init__(self, quic: Quic, limits: Limits, route: Callable[[bytes, bool], None]) -> None:
        """route: told of connection IDs that packets may be sent to, and no longer."""
        self.quic = quic
        self.streams: dict[int, Stream] = {}
        self.ready = self.over = self.ponged = False
        self._limits = limits
        self._route = route
        self._events: list[Event] = []
        self._decoder = qpack.Decoder(REQUEST.entry)
        self._calm = Calm()
        self._control = Control(self._not_wanted, self._spend)
        self._control_stream: int | None = None
        self._next = 0
        self._now = 0.0
        self._last_taken: int | None = None
        self._waiting: dict[int, Stream] = {}
        self._headed: list[Stream] = []

    # Receiving.

    def events(self, now: float) -> list[Event]:
        """What the packets that `quic` was given say. A ProxyError is the last event of all."""
        found: list[Event] = []
        self._events = found
        self._calm.pass_time(now)
        self._now = now
        try:
            self._read()
        except Violation as violation:
            self.end(violation.code, violation.detail)
            found.append(ProxyError(self.failure, violation.detail))
        return found

    def _read(self) -> None:
        arrived: dict[int, tuple[list[bytes], bool]] = {}
        while (event := self.quic.next_event()) is not None:
            if isinstance(event, quic_events.StreamDataReceived):
                pieces, _ = arrived.get(event.stream_id, ([], False))
                pieces.append(event.data)
                arrived[event.stream_id] = (pieces, event.end_stream)
            else:
                self._arrived(arrived)
                self._other(event)
        self._arrived(arrived)

    def _arrived(self, arrived: dict[int, tuple[list[bytes], bool]]) -> None:
        for number, (pieces, end) in arrived.items():
            if not self.over:
                self._bytes(number, pieces[0] if len(pieces) == 1 else b"".join(pieces), end)
        arrived.clear()

    def _other(self, event: Any) -> None:
        match event:
            case quic_events.StreamReset(stream_id=number):
                self._was_reset(number)
            case quic_events.StopSendingReceived(stream_id=number):
                self._is_stopped(number)
            case quic_events.HandshakeCompleted():
                self._greet()
            case quic_events.PingAcknowledged():
                self.ponged = True
            case quic_events.ConnectionIdIssued(connection_id=cid):
                self._route(cid, True)
            case quic_events.ConnectionIdRetired(connection_id=cid):
                self._route(cid, False)
            case quic_events.ConnectionTerminated():
                self.over = True

    def _greet(self) -> None:
        self.ready = True
        self._control_stream = self.quic.get_next_available_stream_id(is_unidirectional=True)
        said = {
            frames.QPACK_MAX_TABLE_CAPACITY: 0,
            frames.QPACK_BLOCKED_STREAMS: 0,
            frames.MAX_FIELD_SECTION_SIZE: self._limits.field_section,
        }
        self._say(frames.integer(frames.CONTROL) + frames.settings(said))

    def _say(self, data: bytes) -> None:
        if self._control_stream is not None:
            self.quic.send_stream_data(self._control_stream, data)

    def _bytes(self, number: int, data: bytes, end: bool) -> None:
        if number & 2:
            self.quic.consumed(number, len(data))
            self._control.receive(number, data, end)
            return
        stream = self.streams.get(number)
        if stream is None:
            if number < self._next:
                self.quic.consumed(number, len(data))  # we have ended it, which the client may not know
                return
            stream = self._open(number)
        if stream is not None and stream.receiving:
            kept = self._request_bytes(stream, data, end)
            self.quic.consumed(number, len(data) - kept)
        else:
            self.quic.consumed(number, len(data))

    def _open(self, number: int) -> Stream | None:
        self._next = number + 4
        if self._last_taken is not None:  # RFC 9114 §5.2: it may be sent again, elsewhere
            self.quic.reset(number, frames.REQUEST_REJECTED)
            self.quic.stop(number, frames.REQUEST_REJECTED)
            return None
        stream = self.streams[number] = Stream(number, self._now)
        return stream

    def _request_bytes(self, stream: Stream, data: bytes, end: bool) -> int:
        """Returns how many of them are in events, for somebody to consume."""
        kept, at = 0, 0
        if stream.buffer:
            data, stream.buffer = stream.buffer + data, b""
        while at < len(data) and stream.receiving:
            if stream.inside or stream.skipped:
                size = min(stream.inside or stream.skipped, len(data) - at)
                if stream.inside:
                    stream.inside -= size
                    kept += self._body(stream, data[at : at + size])
                else:
                    stream.skipped -= size
                at += size
                continue
            begun = frames.read_pair(data, at)
            if begun is None:
                break
            kind, length, begin = begun
            behind = self._frame(stream, kind, length, data, begin, end)
            if behind is None:
                break
            at = behind
        if stream.receiving:
            stream.buffer = data[at:]
            if end:
                self._end_of(stream)
        return kept

    def _frame(self, stream: Stream, kind: int, length: int, data: bytes, at: int, end: bool) -> int | None:
        """Where what follows begins, or None while more of it is needed."""
        if kind == frames.DATA:
            if not stream.headed or stream.over:
                raise Violation(frames.FRAME_UNEXPECTED, "DATA where there is none")
            stream.inside = length
            if length >= calm.WORTH:
                self._calm.earn(calm.CARRIED)
            else:
                self._spend()
        elif kind == frames.HEADERS:
            if stream.over:
                raise Violation(frames.FRAME_UNEXPECTED, "HEADERS behind the trailers")
            if length > self._limits.field_section:
                stream.skipped = length
                self._section(stream, None, end and at + length == len(data))
            elif at + length > len(data):
                return None
            else:
                section = self._decoded(data[at : at + length])
                self._section(stream, section, end and at + length == len(data))
                return at + length
        elif kind in _NOT_HERE:
            raise Violation(frames.FRAME_UNEXPECTED, f"a frame of type {kind} with a request")
        else:
            stream.skipped = length
            self._spend()
        return at

    def _decoded(self, section: bytes) -> list[Entry] | None:
        try:
            return self._decoder.decode(section, self._limits.field_section)
        except qpack.QpackError as error:
            raise Violation(frames.QPACK_DECOMPRESSION_FAILED, str(error)) from None

    def _section(self, stream: Stream, entries: list[Entry] | None, end: bool) -> None:
        if stream.headed:
            self._trailers(stream, entries)
        else:
            self._head(stream, entries, end)

    def _head(self, stream: Stream, entries: list[Entry] | None, end: bool) -> None:
        stream.headed = True
        try:
            if entries is None:
                detail = f"header section is longer than {self._limits.field_section} bytes"
                raise ProxyError(errors.HTTP_REQUEST_ERROR, detail, status=431)
            head = request_head(entries, stream.id, end, self._limits, "3")
        except Malformed as error:
            self.malformed(stream, str(error))
            return
        except ProxyError as refusal:
            self.refuse(stream, refusal)
            return
        self._events.append(head)
        stream.left = head.length
        self._calm.earn(calm.REQUEST)

    def _trailers(self, stream: Stream, entries: list[Entry] | None) -> None:
        stream.over = True
        if entries is None or len(entries) > self._limits.field_lines:
            self.refuse(stream, ProxyError(self.failure, "trailer section is too long", status=431))
            return
        try:
            stream.last = trailers(entries)
        except Malformed as error:
            self.malformed(stream, str(error))

    def _body(self, stream: Stream, data: bytes) -> int:
        """Returns how many of these are in an event."""
        stream.received += len(data)
        most = self._limits.body
        if stream.left is not None:
            stream.left -= len(data)
            if stream.left < 0:
                self.malformed(stream, "the body is not as long as its content-length says")
                return 0
        if most is not None and stream.received > most and not stream.unwanted:
            self.refuse(stream, ProxyError(self.failure, f"body is longer than {most} bytes", status=413))
        if stream.unwanted:
            return 0
        self._events.append(Data(data, stream.id))
        return len(data)

    def _end_of(self, stream: Stream) -> None:
        if stream.buffer or stream.inside or stream.skipped:
            raise Violation(frames.FRAME_ERROR, "a request that ends within a frame")
        if not stream.headed:
            self.malformed(stream, "a request without a head", frames.REQUEST_INCOMPLETE)
        elif stream.left:
            self.malformed(stream, "the body is not as long as its content-length says")
        else:
            stream.receiving = False
            if not stream.unwanted:
                self._events.append(End(stream.last, stream.id))
            if not stream.sending:
                del self.streams[stream.id]

    def refuse(self, stream: Stream, error: ProxyError) -> None:
        """Its client is to be answered with this, and nothing more of it is wanted."""
        stream.unwanted = True
        self._events.append(Reset(error, stream.id, answerable=True))

    def malformed(self, stream: Stream, detail: str, code: int = frames.MESSAGE_ERROR) -> None:
        """RFC 9114 §4.1.2: a stream error, by the client's fault: it costs what a reset of its own costs."""
        self.reset(stream, code)
        self._events.append(Reset(ProxyError(self.failure, detail), stream.id))
        self._spend(calm.RESET)

    def give_up_heads(self, since: float) -> None:
        """Requests that began before that and have no head yet are none."""
        for stream in list(self.streams.values()):
            if not stream.headed and stream.began < since:
                self.reset(stream, frames.REQUEST_INCOMPLETE)

    def _was_reset(self, number: int) -> None:
        """The client gave up sending its request (RFC 9114 §4.1.1)."""
        if number & 2:
            self._control.closed(number)
            return
        stream = self.streams.get(number)
        if stream is None:
            self._next = max(self._next, number + 4)
        elif stream.receiving:
            self.reset(stream, frames.REQUEST_CANCELLED)
            self._given_up(stream)
        self._spend(calm.RESET)

    def _is_stopped(self, number: int) -> None:
        """The client does not want the answer."""
        if number == self._control_stream:
            raise Violation(frames.CLOSED_CRITICAL_STREAM, "the control stream was stopped")
        stream = self.streams.get(number)
        if stream is None:
            self._spend()
        else:
            self.quic.stop(number, frames.REQUEST_CANCELLED)
            self.abandon(stream)
            self._given_up(stream)
            self._spend(calm.RESET)

    def _given_up(self, stream: Stream) -> None:
        self._events.append(Reset(ProxyError(self.failure, "the client gave up its request"), stream.id))

    def _not_wanted(self, number: int) -> None:
        self.quic.stop(number, frames.STREAM_CREATION_ERROR)

    def _spend(self, cost: int = calm.FRAME) -> None:
        if self._calm.spend(cost):
            raise Violation(frames.EXCESSIVE_LOAD, "too many frames that lead to nothing")

    def consumed(self, number: int, size: int) -> None:
        """So much of the body of a stream, which may be gone, was read and is out of memory."""
        self.quic.consumed(number, size)

    # Sending.

    def send_fields(self, stream: Stream, lines: list[Line], *, end: bool, begun: FixedLines | None = None) -> int:
        """A header section: lines in front that are likely to come again, and these. Returns its size.

        Raises ProxyError (proxy_internal_error) when a line is none that a message may have, and nothing is sent."""
        data = frames.frame(frames.HEADERS, qpack.encode(lines if begun is None else [*begun.lines, *lines]))
        if end:
            self.quic.send_stream_data(stream.id, stream.head + data, True)
            self._sent_end(stream)
        else:
            stream.head += data  # a body most likely follows at once
            self._headed.append(stream)
        return len(data)

    def send(self, stream: Stream, data: bytes, *, end: bool, trailers: Fields | None = None) -> None:
        """The next piece of the body, when nothing of it waits; it is handed over as the client takes what was before.
        end: it is the last one, and trailers follow it."""
        stream.unsent, stream.at, stream.ending, stream.trailers = data, 0, end, trailers
        self._waiting[stream.id] = stream
        self._hand_over(stream)

    def pump(self) -> list[Stream]:
        """Hand over what may be. Returns the streams whose piece is handed over to its end."""
        for stream in self._headed:
            if stream.head and stream.sending:
                self.quic.send_stream_data(stream.id, stream.head)
                stream.head = b""
        self._headed.clear()
        return [stream for stream in list(self._waiting.values()) if self._hand_over(stream)]

    def _hand_over(self, stream: Stream) -> bool:
        quic, number = self.quic, stream.id
        size, at = len(stream.unsent), stream.at
        last = stream.ending and stream.trailers is None
        if at < size:
            room = quic.room(number, len(self._waiting))
            while at < size and room > 0:
                piece = stream.unsent[at : at + min(PIECE, room)]
                at += len(piece)
                room -= len(piece)
                data = stream.head + frames.header(frames.DATA, len(piece)) + piece
                stream.head = b""
                quic.send_stream_data(number, data, last and at == size)
            stream.sent += at - stream.at
            stream.at = at
            if at < size:
                return False
        elif last:
            quic.send_stream_data(number, stream.head, True)
            stream.head = b""
        del self._waiting[number]
        stream.unsent, stream.at = b"", 0
        if stream.ending:
            self._end_body(stream)
        return True

    def _end_body(self, stream: Stream) -> None:
        if stream.trailers is None:
            self._sent_end(stream)
            return
        try:
            self.send_fields(stream, stream.trailers.lines, end=True)
        except ProxyError:  # without its end the client sees that the message is not whole
            self.reset(stream, frames.INTERNAL_ERROR)

    def _sent_end(self, stream: Stream) -> None:
        stream.sending = False
        self._calm.earn(calm.ANSWERED)
        if stream.receiving:  # RFC 9114 §4.1: answered without the rest of it, which nobody wants
            self.quic.stop(stream.id, frames.NO_ERROR)
            stream.receiving = False
        del self.streams[stream.id]

    def reset(self, stream: Stream, code: int) -> None:
        """End a stream from our side; no event tells of it."""
        if self.streams.get(stream.id) is stream:
            self.quic.reset(stream.id, code)
            if stream.receiving:
                self.quic.stop(stream.id, code)
            self.abandon(stream)

    def abandon(self, stream: Stream) -> None:
        """It ends here, before it is over."""
        stream.aborted = True
        stream.receiving = stream.sending = False
        stream.unsent, stream.at, stream.buffer, stream.head = b"", 0, b"", b""
        self._waiting.pop(stream.id, None)
        del self.streams[stream.id]

    # Ends.

    def go_away(self) -> None:
        """A warning that there will be no more; what is on its way is still taken (RFC 9114 §5.2)."""
        self._say(frames.frame(frames.GOAWAY, frames.integer(frames.LARGEST_REQUEST)))
        self.ponged = False
        self.quic.send_ping(_PING)

    def take_no_more(self) -> None:
        """Once the client knows: what comes now will not be looked at, and it is told so."""
        if self._last_taken is None:
            self._last_taken = self._next
            self._say(frames.frame(frames.GOAWAY, frames.integer(self._next)))

    def end(self, code: int = frames.NO_ERROR, detail: str = "") -> None:
        """Say why, and nothing more: the connection is over."""
        if not self.over:
            self.quic.close(error_code=code, reason_phrase=detail[:256])
            self.over = True
