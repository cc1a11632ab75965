"""The sending half of an HTTP/2 connection: frames out, as windows and the turns of streams allow."""

from __future__ import annotations

from collections import deque
from typing import Final

from proxy.codec import calm
from proxy.codec.calm import Calm
from proxy.codec.hpack.encoder import Encoder
from proxy.codec.http2 import frames
from proxy.codec.http2.stream import Stream
from proxy.errors import ProxyError
from proxy.http.fields import Fields, FixedLines, Line

FRAME: Final = frames.SMALLEST_MAX_FRAME
"""Bytes of the largest frame either side sends. Larger ones would only make streams wait longer for each other."""

_REMEMBERED: Final = 1000
"""Streams that we have ended and the other side may not know of yet."""


class Sending:
    """send_window, streams: of the connection. size: bytes that `take` would give. paused: whoever sends them cannot
    keep up, so what may wait does. ponged: the other side has answered the last `ping`."""

    def __init__(self, *, indexing: bool) -> None:
        self.streams: dict[int, Stream] = {}
        self.send_window = frames.DEFAULT_WINDOW
        self.paused = False
        self.ponged = False
        self.size = 0
        self._out: list[bytes | memoryview] = []
        self._encoder = Encoder(indexing=indexing)
        self._calm = Calm()
        self._ready: deque[Stream] = deque()
        self._gone: dict[int, None] = {}

    def write(self, data: bytes) -> None:
        self._out.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        """What is to be sent, in one piece."""
        data = b"".join(self._out)
        self._out.clear()
        self.size = 0
        return data

    def send_fields(self, stream: Stream, lines: list[Line], *, end: bool, begun: FixedLines | None = None) -> int:
        """A header section: lines in front that are likely to come again, and these. Returns the bytes it takes.

        Raises ProxyError (proxy_internal_error) when a line is none that a message may have, and nothing is sent:
        nothing that a stage made up can become another field or another message further on."""
        data = frames.headers(stream.id, self._encoder.encode(lines, begun), end, FRAME)
        size = len(data)
        self._out.append(data)
        self.size += size
        if end:
            self._sent_end(stream)
        return size

    def send(self, stream: Stream, data: bytes, *, end: bool, trailers: Fields | None = None) -> None:
        """The next piece of the body, when nothing of it waits; it is written as windows and the turns of other streams
        allow. end: it is the last one, and trailers follow it."""
        size = len(data)
        if (
            size <= stream.send_window
            and size <= self.send_window
            and size <= FRAME
            and not self._ready
            and not self.paused
            and trailers is None
            and (size or end)
        ):
            self._write_data(stream, data, size, end)
            return
        stream.unsent, stream.at, stream.ending, stream.trailers = data, 0, end, trailers
        self._enqueue(stream)

    def pump(self, room: int) -> list[Stream]:
        """Write up to about `room` bytes of what waits, a frame of each stream in turn. Returns the streams whose
        piece is written to its end."""
        done: list[Stream] = []
        while self._ready and self.size < room:
            stream = self._ready.popleft()
            stream.ready = False
            if not stream.sending:
                continue
            left = len(stream.unsent) - stream.at
            size = min(left, stream.send_window, self.send_window, FRAME)
            if left and size <= 0:
                if self.send_window <= 0 < stream.send_window:
                    self._ready.appendleft(stream)
                    stream.ready = True
                    break
                continue  # until its window opens
            if left:
                last = size == left
                piece = memoryview(stream.unsent)[stream.at : stream.at + size]
                stream.at += size
                self._write_data(stream, piece, size, last and stream.ending and stream.trailers is None)
                if not last:
                    self._enqueue(stream)
                    continue
            self._piece_done(stream, done)
        return done

    @property
    def can_pump(self) -> bool:
        """There is something that windows allow to be written."""
        return bool(self._ready) and (self.send_window > 0 or self._ready[0].at == len(self._ready[0].unsent))

    def _piece_done(self, stream: Stream, done: list[Stream]) -> None:
        stream.unsent, stream.at = b"", 0
        done.append(stream)
        if stream.ending and stream.sending:
            if stream.trailers is not None:
                try:
                    self.send_fields(stream, stream.trailers.lines, end=True)
                except ProxyError:  # without its end the other side sees that the message is not whole
                    self.reset(stream, frames.INTERNAL_ERROR)
            else:
                self._write_data(stream, b"", 0, True)

    def _enqueue(self, stream: Stream) -> None:
        if not stream.ready:
            stream.ready = True
            self._ready.append(stream)

    def _widen(self, stream: Stream, change: int) -> None:
        stream.send_window += change
        if stream.send_window > 0 and stream.waiting:
            self._enqueue(stream)

    def _write_data(self, stream: Stream, piece: bytes | memoryview, size: int, end: bool) -> None:
        self._out.append(frames.header(size, frames.DATA, frames.END_STREAM if end else 0, stream.id))
        self._out.append(piece)
        self.size += 9 + size
        self.send_window -= size
        stream.send_window -= size
        stream.sent += size
        if size >= calm.WORTH:
            self._calm.earn(calm.CARRIED)
        if end:
            self._sent_end(stream)

    def _sent_end(self, stream: Stream) -> None:
        stream.sending = False
        if not stream.receiving:
            del self.streams[stream.id]

    def ping(self) -> None:
        self.ponged = False
        self.write(frames.ping(b"sluice\0\0", ack=False))

    def reset(self, stream: Stream, code: int) -> None:
        """End a stream from our side; no event tells of it."""
        if self.streams.get(stream.id) is stream:
            if stream.receiving:
                self._remember(stream.id)
            self.write(frames.rst_stream(stream.id, code))
            self.abandon(stream)

    def abandon(self, stream: Stream) -> None:
        """It ends here, before it is over."""
        stream.aborted = True
        stream.receiving = stream.sending = False
        stream.unsent, stream.at = b"", 0
        del self.streams[stream.id]

    def _remember(self, number: int) -> None:
        self._gone[number] = None
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]
