"""What both ends of an HTTP/2 connection do (RFC 9113): frames in, frames out, streams, windows, settings.

The two ends, `server` and `client`, say what the header sections mean.
"""

from __future__ import annotations

from typing import Final

from proxy.codec import calm
from proxy.codec.events import Data, End, Event, Reset
from proxy.codec.hpack.decoder import Decoder, Entry, HpackError, Kinds
from proxy.codec.http2 import frames
from proxy.codec.http2.sending import FRAME, Sending
from proxy.codec.http2.stream import Stream
from proxy.errors import Failure, ProxyError
from proxy.http.fields import Fields

STREAMS: Final = 100
"""How many the other side may have open at once (RFC 9113 §6.5.2 recommends no fewer)."""

STREAM_WINDOW: Final = 256 * 1024
"""Bytes of one body that are taken in before somebody has read any of it."""

WINDOW: Final = 1024 * 1024
"""The same for all bodies of a connection together."""

MAX_CONTINUATIONS: Final = 32
"""Frames that one header section may come in, beyond its first."""

_unpack: Final = frames.HEADER.unpack_from


class Violation(Exception):
    """The connection is over (§5.4.1)."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Session(Sending):
    """One connection. `receive` what was read; then `pump`; then send `take()`.

    over: nothing is received or sent any more. last: the highest stream that the other side (of a client: we ourselves)
    has opened.
    """

    failure: Failure
    """What it is called when the other side breaks the rules."""

    def __init__(self, kinds: Kinds, settings: dict[int, int], most_fields: int, *, indexing: bool) -> None:
        super().__init__(indexing=indexing)
        self.last = 0
        self.over = False
        self._events: list[Event] = []
        self._buffer = b""
        self._decoder = Decoder(kinds)
        self._most_fields = most_fields
        self._greeted = False
        self._section: tuple[int, int, list[bytes], int] | None = None  # stream, flags, pieces, size
        self._receive_window = WINDOW
        self._owed = 0
        self._peer_window = frames.DEFAULT_WINDOW
        self.peer_streams = frames.LARGEST_STREAM
        settings = {frames.INITIAL_WINDOW_SIZE: STREAM_WINDOW, frames.MAX_HEADER_LIST_SIZE: most_fields, **settings}
        self.write(frames.settings(settings))
        self.write(frames.window_update(0, WINDOW - frames.DEFAULT_WINDOW))

    # Receiving.

    def receive(self, data: bytes, now: float) -> list[Event]:
        """What these bytes say. now: seconds by any clock. A ProxyError is the last event of all."""
        events: list[Event] = []
        self._events = events
        if self.over:
            return events
        self._calm.pass_time(now)
        try:
            self._read(self._buffer + data if self._buffer else data)
        except Violation as violation:
            self.end(violation.code, violation.detail.encode())
            events.append(ProxyError(self.failure, violation.detail))
        return events

    @property
    def within_section(self) -> bool:
        """A header section, or what comes before the first one, has begun and is not over."""
        return self._section is not None or not self._greeted or self._buffer[3:4] == b"\1"

    def _read(self, data: bytes) -> None:
        at, end = self._begin(data), len(data)
        while end - at >= 9:
            header: tuple[int, int, int, int, int] = _unpack(data, at)
            high, low, kind, flags, stream = header
            length = high << 8 | low
            if length > FRAME:
                raise Violation(frames.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            behind = at + 9 + length
            if behind > end:
                break
            payload = data[at + 9 : behind]
            at = behind
            stream &= frames.LARGEST_STREAM
            if self._section is not None or not self._greeted:
                self._check_order(kind, flags, stream)
            if kind == frames.HEADERS:
                self._headers(flags, stream, payload)
            elif kind < len(_HANDLERS):
                _HANDLERS[kind](self, flags, stream, payload)
            else:
                self._spend(calm.FRAME)  # §4.1: what we do not know is ignored
        self._buffer = data[at:]

    def _begin(self, data: bytes) -> int:
        """Where the frames begin: behind the preface, for a server."""
        return 0

    def _check_order(self, kind: int, flags: int, stream: int) -> None:
        if self._section is not None and (kind != frames.CONTINUATION or stream != self._section[0]):
            raise Violation(frames.PROTOCOL_ERROR, "a header section was not continued")
        if not self._greeted:
            if kind != frames.SETTINGS or flags & frames.ACK:
                raise Violation(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            self._greeted = True

    def _spend(self, cost: int) -> None:
        if self._calm.spend(cost):
            raise Violation(frames.ENHANCE_YOUR_CALM, "too many frames that lead to nothing")

    def _is_idle(self, stream: int) -> bool:
        """It was never opened; nor can the other side of a client open any."""
        return stream > self.last or stream % 2 == 0

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        if size > self._receive_window:
            raise Violation(frames.FLOW_CONTROL_ERROR, "more data than the window of the connection")
        self._receive_window -= size
        data = _unpadded(payload) if flags & frames.PADDED else payload
        stream = self.streams.get(number)
        if stream is None or not stream.receiving:
            if self._is_idle(number):
                raise Violation(frames.PROTOCOL_ERROR, "DATA on a stream that is not open")
            if stream is not None or number not in self._gone:
                raise Violation(frames.STREAM_CLOSED, "DATA on a stream that is closed")
            self._spend(calm.FRAME)
            self._give_back(size)
            return
        if size > stream.receive_window:
            raise Violation(frames.FLOW_CONTROL_ERROR, "more data than the window of its stream")
        stream.receive_window -= size
        if len(data) < size:
            self._consumed(stream, size - len(data))
        end = bool(flags & frames.END_STREAM)
        if len(data) >= calm.WORTH:
            self._calm.earn(calm.CARRIED)
        elif not data and not end:
            self._spend(calm.FRAME)
        self._body(stream, data, end)

    def _body(self, stream: Stream, data: bytes, end: bool) -> None:
        stream.received += len(data)
        if stream.left is not None:
            stream.left -= len(data)
            if stream.left < 0 or (end and stream.left):
                self._consumed(stream, len(data))
                self.malformed(stream, "the body is not as long as its content-length says")
                return
        if not stream.headed:
            self.malformed(stream, "a body without a head")
            return
        if not stream.unwanted and data:
            self._events.append(Data(data, stream.id))
        else:
            self._consumed(stream, len(data))
        if end:
            self._received_end(stream, None)

    def _received_end(self, stream: Stream, trailers: Fields | None) -> None:
        stream.receiving = False
        if not stream.unwanted:
            self._events.append(End(trailers, stream.id))
        if not stream.sending:
            del self.streams[stream.id]

    def _headers(self, flags: int, stream: int, payload: bytes) -> None:
        if stream == 0:
            raise Violation(frames.PROTOCOL_ERROR, "HEADERS on stream 0")
        if flags & frames.PADDED:
            payload = _unpadded(payload)
        if flags & frames.HAS_PRIORITY:
            if len(payload) < 5:
                raise Violation(frames.FRAME_SIZE_ERROR, "HEADERS too short for a priority")
            if frames.read_long(payload) & frames.LARGEST_STREAM == stream:
                raise Violation(frames.PROTOCOL_ERROR, "a stream that depends on itself")
            payload = payload[5:]
        if flags & frames.END_HEADERS:
            self._block(stream, payload, bool(flags & frames.END_STREAM))
        else:
            self._section = (stream, flags, [payload], len(payload))

    def _continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if self._section is None:
            raise Violation(frames.PROTOCOL_ERROR, "CONTINUATION of nothing")
        number, begun, pieces, size = self._section
        pieces.append(payload)
        size += len(payload)
        if size > self._most_fields or len(pieces) > MAX_CONTINUATIONS:
            # It cannot be left out: the table would no longer be that of the other side.
            raise Violation(frames.ENHANCE_YOUR_CALM, "a header section that does not end")
        self._section = (number, begun, pieces, size)
        if flags & frames.END_HEADERS:
            self._section = None
            self._block(number, b"".join(pieces), bool(begun & frames.END_STREAM))

    def _block(self, stream: int, block: bytes, end: bool) -> None:
        try:
            entries = self._decoder.decode(block, self._most_fields)
        except HpackError as error:
            raise Violation(frames.COMPRESSION_ERROR, str(error)) from None
        self._fields(stream, entries, end)

    def _fields(self, number: int, entries: list[Entry] | None, end: bool) -> None:
        """A header section is whole. None: it was too long."""
        raise NotImplementedError

    def _is_late(self, number: int) -> bool:
        """A section on a stream that is closed: by us, which the other side may not know, or it breaks the rules."""
        if number > self.last:
            return False
        if number not in self._gone:
            raise Violation(frames.STREAM_CLOSED, "HEADERS on a stream that is closed")
        self._spend(calm.FRAME)
        return True

    def _priority(self, flags: int, stream: int, payload: bytes) -> None:
        """Deprecated (§5.3.2): checked, and no more."""
        if stream == 0:
            raise Violation(frames.PROTOCOL_ERROR, "PRIORITY on stream 0")
        if len(payload) != 5:
            raise Violation(frames.FRAME_SIZE_ERROR, f"PRIORITY of {len(payload)} bytes")
        if frames.read_long(payload) & frames.LARGEST_STREAM == stream:
            raise Violation(frames.PROTOCOL_ERROR, "a stream that depends on itself")
        self._spend(calm.FRAME)

    def _rst_stream(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Violation(frames.FRAME_SIZE_ERROR, f"RST_STREAM of {len(payload)} bytes")
        if self._is_idle(number):
            raise Violation(frames.PROTOCOL_ERROR, "RST_STREAM on a stream that is not open")
        stream = self.streams.get(number)
        if stream is None:
            self._gone.pop(number, None)  # it knows by now
            self._spend(calm.FRAME)
            return
        self.abandon(stream)
        self._was_reset(stream, frames.read_long(payload))

    def _was_reset(self, stream: Stream, code: int) -> None:
        """The other side has ended a stream that was open; it is dropped already."""
        raise NotImplementedError

    def _settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise Violation(frames.PROTOCOL_ERROR, "SETTINGS on a stream")
        if len(payload) % 6 or (flags & frames.ACK and payload):
            raise Violation(frames.FRAME_SIZE_ERROR, f"SETTINGS of {len(payload)} bytes")
        self._spend(calm.FRAME)
        if flags & frames.ACK:
            return
        for name, value in dict(frames.read_settings(payload)).items():
            self._setting(name, value)
        self.write(frames.SETTINGS_ACK)

    def _setting(self, name: int, value: int) -> None:
        if name == frames.HEADER_TABLE_SIZE:
            self._encoder.allow(value)
        elif name == frames.ENABLE_PUSH and value > 1:
            raise Violation(frames.PROTOCOL_ERROR, f"ENABLE_PUSH is {value}")
        elif name == frames.MAX_CONCURRENT_STREAMS:
            self.peer_streams = value
        elif name == frames.INITIAL_WINDOW_SIZE:
            if value > frames.LARGEST_WINDOW:
                raise Violation(frames.FLOW_CONTROL_ERROR, f"a window of {value} bytes")
            change, self._peer_window = value - self._peer_window, value
            for stream in self.streams.values():  # §6.9.2
                self._widen(stream, change)
                if stream.send_window > frames.LARGEST_WINDOW:
                    raise Violation(frames.FLOW_CONTROL_ERROR, "a window beyond 2^31-1 bytes")
        elif name == frames.MAX_FRAME_SIZE and not FRAME <= value <= frames.LARGEST_MAX_FRAME:
            raise Violation(frames.PROTOCOL_ERROR, f"frames of {value} bytes")

    def _push_promise(self, flags: int, stream: int, payload: bytes) -> None:
        raise Violation(frames.PROTOCOL_ERROR, "PUSH_PROMISE, which is not allowed here")

    def _ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise Violation(frames.PROTOCOL_ERROR, "PING on a stream")
        if len(payload) != 8:
            raise Violation(frames.FRAME_SIZE_ERROR, f"PING of {len(payload)} bytes")
        self._spend(calm.FRAME)
        if flags & frames.ACK:
            self.ponged = True
        else:
            self.write(frames.ping(payload, ack=True))

    def _goaway(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise Violation(frames.PROTOCOL_ERROR, "GOAWAY on a stream")
        if len(payload) < 8:
            raise Violation(frames.FRAME_SIZE_ERROR, f"GOAWAY of {len(payload)} bytes")
        self._spend(calm.FRAME)
        self._goes_away(frames.read_long(payload) & frames.LARGEST_STREAM, frames.read_long(payload, 4))

    def _goes_away(self, last: int, code: int) -> None:
        """The other side opens (for a client: takes) no more streams than up to `last`."""

    def _window_update(self, flags: int, number: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise Violation(frames.FRAME_SIZE_ERROR, f"WINDOW_UPDATE of {len(payload)} bytes")
        self._spend(calm.FRAME)
        increment = frames.read_long(payload) & frames.LARGEST_WINDOW
        if not increment:
            raise Violation(frames.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
        if number == 0:
            self.send_window += increment
            if self.send_window > frames.LARGEST_WINDOW:
                raise Violation(frames.FLOW_CONTROL_ERROR, "a window beyond 2^31-1 bytes")
            return
        if self._is_idle(number):
            raise Violation(frames.PROTOCOL_ERROR, "WINDOW_UPDATE on a stream that is not open")
        stream = self.streams.get(number)
        if stream is not None:
            if stream.send_window + increment > frames.LARGEST_WINDOW:
                self.malformed(stream, "a window beyond 2^31-1 bytes", frames.FLOW_CONTROL_ERROR)
            else:
                self._widen(stream, increment)

    # Windows of what is received.

    def consumed(self, number: int, size: int) -> None:
        """So much of the body of a stream, which may be gone, was read and is out of memory."""
        stream = self.streams.get(number)
        if stream is None:
            self._give_back(size)
        else:
            self._consumed(stream, size)

    def _consumed(self, stream: Stream, size: int) -> None:
        self._give_back(size)
        stream.owed += size
        if stream.owed >= STREAM_WINDOW // 2 and stream.receiving:
            stream.receive_window += stream.owed
            self.write(frames.window_update(stream.id, stream.owed))
            stream.owed = 0

    def _give_back(self, size: int) -> None:
        self._owed += size
        if self._owed >= WINDOW // 2:
            self._receive_window += self._owed
            self.write(frames.window_update(0, self._owed))
            self._owed = 0

    # Ends.

    def end(self, code: int, detail: bytes = b"") -> None:
        """Say why, and nothing more: the connection is over."""
        if not self.over:
            self.write(frames.goaway(self._highest(), code, detail[:256]))
            self.over = True

    def _highest(self) -> int:
        """The last stream of the other side's that we have done something for (§6.8)."""
        return self.last

    def malformed(self, stream: Stream, detail: str, code: int = frames.PROTOCOL_ERROR) -> None:
        """A stream error (§5.4.2, §8.1.1), by the other side's fault: it costs what a reset of its own costs."""
        self.reset(stream, code)
        self._events.append(Reset(ProxyError(self.failure, detail), stream.id))
        self._spend(calm.RESET)


_HANDLERS: Final = (
    Session._data,
    Session._headers,
    Session._priority,
    Session._rst_stream,
    Session._settings,
    Session._push_promise,
    Session._ping,
    Session._goaway,
    Session._window_update,
    Session._continuation,
)
"""By type of frame."""


def _unpadded(payload: bytes) -> bytes:
    """§6.1"""
    if not payload:
        raise Violation(frames.FRAME_SIZE_ERROR, "a padded frame without a length of its padding")
    padding = payload[0]
    if padding >= len(payload):
        raise Violation(frames.PROTOCOL_ERROR, "more padding than frame")
    return payload[1 : len(payload) - padding]
