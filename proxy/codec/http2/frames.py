"""Frames of HTTP/2 as bytes (RFC 9113 §4, §6)."""

from __future__ import annotations

from struct import Struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (§3.4)."""

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = 0x01
ACK = 0x01
END_HEADERS = 0x04
PADDED = 0x08
HAS_PRIORITY = 0x20

# §7
NO_ERROR = 0x0
PROTOCOL_ERROR = 0x1
INTERNAL_ERROR = 0x2
FLOW_CONTROL_ERROR = 0x3
STREAM_CLOSED = 0x5
FRAME_SIZE_ERROR = 0x6
REFUSED_STREAM = 0x7
CANCEL = 0x8
COMPRESSION_ERROR = 0x9
ENHANCE_YOUR_CALM = 0xB
INADEQUATE_SECURITY = 0xC
HTTP_1_1_REQUIRED = 0xD

# §6.5.2, and RFC 9218 §2.1
HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
NO_RFC7540_PRIORITIES = 0x9

DEFAULT_WINDOW = 65_535
LARGEST_WINDOW = (1 << 31) - 1
SMALLEST_MAX_FRAME = 16_384
LARGEST_MAX_FRAME = (1 << 24) - 1
LARGEST_STREAM = (1 << 31) - 1

HEADER = Struct(">HBBBL")
"""Length (high 16 bits, low 8 bits), type, flags, stream: 9 bytes."""

_LONG = Struct(">L")
_SETTING = Struct(">HL")
_TWO = Struct(">LL")
_pack = HEADER.pack


def header(length: int, type: int, flags: int, stream: int) -> bytes:
    return _pack(length >> 8, length & 0xFF, type, flags, stream)


def settings(values: dict[int, int]) -> bytes:
    return header(6 * len(values), SETTINGS, 0, 0) + b"".join(_SETTING.pack(*each) for each in values.items())


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    return list(_SETTING.iter_unpack(payload))


SETTINGS_ACK = header(0, SETTINGS, ACK, 0)


def ping(opaque: bytes, *, ack: bool) -> bytes:
    return header(8, PING, ACK if ack else 0, 0) + opaque


def rst_stream(stream: int, code: int) -> bytes:
    return header(4, RST_STREAM, 0, stream) + _LONG.pack(code)


def window_update(stream: int, increment: int) -> bytes:
    return header(4, WINDOW_UPDATE, 0, stream) + _LONG.pack(increment)


def goaway(last: int, code: int, detail: bytes = b"") -> bytes:
    return header(8 + len(detail), GOAWAY, 0, 0) + _TWO.pack(last, code) + detail


def read_long(payload: bytes, at: int = 0) -> int:
    number: int = _LONG.unpack_from(payload, at)[0]
    return number


def headers(stream: int, block: bytes, end: bool, max_frame: int) -> bytes:
    """A HEADERS frame, and CONTINUATION frames where the block is too long for one."""
    flags = END_STREAM if end else 0
    if len(block) <= max_frame:
        return header(len(block), HEADERS, flags | END_HEADERS, stream) + block
    frames = [header(max_frame, HEADERS, flags, stream), block[:max_frame]]
    for at in range(max_frame, len(block), max_frame):
        piece = block[at : at + max_frame]
        last = END_HEADERS if at + max_frame >= len(block) else 0
        frames += (header(len(piece), CONTINUATION, last, stream), piece)
    return b"".join(frames)
