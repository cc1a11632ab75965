"""The streams of a client that carry no request (RFC 9114 §6.2, RFC 9204 §4.2), each of which there may be one of."""

from __future__ import annotations

from collections.abc import Callable

from proxy.codec.http3 import frames

LONGEST = 4096
"""Bytes of a frame of a control stream that is looked at."""


class Violation(Exception):
    """The connection is over (RFC 9114 §8)."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class Control:
    """Reads them, checks them, and needs nothing of what they say: no pushes are made, no table is used.

    ignored: called with a stream that nobody knows the purpose of. spend: called for each frame that leads to nothing.
    """

    def __init__(self, ignored: Callable[[int], None], spend: Callable[[], None]) -> None:
        self._ignored = ignored
        self._spend = spend
        self._kinds: dict[int, int] = {}
        self._buffers: dict[int, bytes] = {}
        self._skipped = 0
        self._greeted = False
        self._goaway = frames.LARGEST_REQUEST
        self._pushes = 0

    def receive(self, number: int, data: bytes, end: bool) -> None:
        """Raises Violation."""
        data = self._buffers.pop(number, b"") + data
        kind = self._kinds.get(number)
        if kind is None:
            read = frames.read_integer(data, 0)
            if read is None:
                if not end:
                    self._buffers[number] = data
                return
            kind, at = read
            data = data[at:]
            self._opened(number, kind)
        if kind == frames.CONTROL:
            self._buffers[number] = self._frames(data)
        elif kind == frames.QPACK_ENCODER:
            if data.strip(b"\x20"):  # RFC 9204 §4.3.1: that the table is of no size is all that can be said of it
                raise Violation(frames.QPACK_ENCODER_STREAM_ERROR, "insertions into a table of no size")
        elif kind == frames.QPACK_DECODER:
            self._buffers[number] = _cancellations(data)
        if end:
            self.closed(number)

    def closed(self, number: int) -> None:
        """It ended, or was reset. Raises Violation."""
        self._buffers.pop(number, None)
        if self._kinds.get(number) in (frames.CONTROL, frames.QPACK_ENCODER, frames.QPACK_DECODER):
            raise Violation(frames.CLOSED_CRITICAL_STREAM, "a stream that has to stay was closed")

    def _opened(self, number: int, kind: int) -> None:
        if kind == frames.PUSH:
            raise Violation(frames.STREAM_CREATION_ERROR, "a push of a client")
        if kind <= frames.QPACK_DECODER and kind in self._kinds.values():
            raise Violation(frames.STREAM_CREATION_ERROR, "a second stream of which there may be one")
        self._kinds[number] = kind
        if kind > frames.QPACK_DECODER:
            self._ignored(number)

    def _frames(self, data: bytes) -> bytes:
        """Returns what is left."""
        at = 0
        while at < len(data):
            if self._skipped:
                passed = min(self._skipped, len(data) - at)
                self._skipped -= passed
                at += passed
                continue
            begun = frames.read_pair(data, at)
            if begun is None:
                break
            kind, length, begin = begun
            self._check(kind, length)
            end = begin + length
            if kind not in _READ:
                self._spend()
                self._skipped, at = length, begin
            elif end > len(data):
                break
            else:
                self._frame(kind, data[begin:end])
                at = end
        return data[at:]

    def _check(self, kind: int, length: int) -> None:
        if not self._greeted and kind != frames.SETTINGS:
            raise Violation(frames.MISSING_SETTINGS, "the first frame is not SETTINGS")
        if kind in _NOT_HERE or (kind == frames.SETTINGS and self._greeted):
            raise Violation(frames.FRAME_UNEXPECTED, f"a frame of type {kind} on the control stream")
        if kind in _READ and length > LONGEST:
            raise Violation(frames.EXCESSIVE_LOAD, f"a frame of {length} bytes on the control stream")

    def _frame(self, kind: int, payload: bytes) -> None:
        if kind == frames.SETTINGS:
            self._greeted = True
            _settings(payload)
            return
        self._spend()
        read = frames.read_integer(payload, 0)
        if read is None or read[1] != len(payload):
            raise Violation(frames.FRAME_ERROR, f"a frame of type {kind} that is not one integer")
        if kind == frames.CANCEL_PUSH:
            raise Violation(frames.ID_ERROR, "CANCEL_PUSH of what was not promised")
        if kind == frames.MAX_PUSH_ID:
            if read[0] < self._pushes:
                raise Violation(frames.ID_ERROR, "MAX_PUSH_ID that goes back")
            self._pushes = read[0]
        elif read[0] > self._goaway:
            raise Violation(frames.ID_ERROR, "GOAWAY that goes back")
        else:
            self._goaway = read[0]


_READ = frozenset((frames.SETTINGS, frames.CANCEL_PUSH, frames.MAX_PUSH_ID, frames.GOAWAY))
_NOT_HERE = frames.OF_HTTP2 | {frames.DATA, frames.HEADERS, frames.PUSH_PROMISE}


def _settings(payload: bytes) -> None:
    seen: set[int] = set()
    at = 0
    while at < len(payload):
        setting = frames.read_pair(payload, at)
        if setting is None:
            raise Violation(frames.FRAME_ERROR, "SETTINGS that end within a setting")
        name, _, at = setting
        if name in seen or name in frames.SETTINGS_OF_HTTP2:
            raise Violation(frames.SETTINGS_ERROR, f"setting {name} twice, or none of HTTP/3's")
        seen.add(name)


def _cancellations(data: bytes) -> bytes:
    """RFC 9204 §4.4.2. Nothing else can be said of sections that need no table. Returns what is left."""
    at = 0
    while at < len(data):
        if data[at] & 0xC0 != 0x40:
            raise Violation(frames.QPACK_DECODER_STREAM_ERROR, "an acknowledgment of what was not inserted")
        end = at + 1
        if data[at] & 0x3F == 0x3F:
            while end < len(data) and data[end] & 0x80:
                end += 1
            if end - at > 10:
                raise Violation(frames.QPACK_DECODER_STREAM_ERROR, "an integer that is too long")
            if end == len(data):
                break
            end += 1
        at = end
    return data[at:]
