"""Frames of HTTP/2 as bytes (RFC 9113 §4, §6)."""

from __future__ import annotations

from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What a client sends first (§3.4)."""

# §6
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

END_STREAM: Final = 0x01
ACK: Final = 0x01
END_HEADERS: Final = 0x04
PADDED: Final = 0x08
HAS_PRIORITY: Final = 0x20

# §7
NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
INTERNAL_ERROR: Final = 0x2
FLOW_CONTROL_ERROR: Final = 0x3
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
CANCEL: Final = 0x8
COMPRESSION_ERROR: Final = 0x9
ENHANCE_YOUR_CALM: Final = 0xB
INADEQUATE_SECURITY: Final = 0xC
HTTP_1_1_REQUIRED: Final = 0xD

# §6.5.2, and RFC 9218 §2.1
HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
NO_RFC7540_PRIORITIES: Final = 0x9

DEFAULT_WINDOW: Final = 65_535
LARGEST_WINDOW: Final = (1 << 31) - 1
SMALLEST_MAX_FRAME: Final = 16_384
LARGEST_MAX_FRAME: Final = (1 << 24) - 1
LARGEST_STREAM: Final = (1 << 31) - 1

HEADER: Final = Struct(">HBBBL")
"""Length (high 16 bits, low 8 bits), type, flags, stream: 9 bytes."""

_LONG: Final = Struct(">L")
_SETTING: Final = Struct(">HL")
_TWO: Final = Struct(">LL")
_pack: Final = HEADER.pack


def header(length: int, type: int, flags: int, stream: int) -> bytes:
    return _pack(length >> 8, length & 0xFF, type, flags, stream)


def settings(values: dict[int, int]) -> bytes:
    return header(6 * len(values), SETTINGS, 0, 0) + b"".join(_SETTING.pack(*each) for each in values.items())


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    return list(_SETTING.iter_unpack(payload))


SETTINGS_ACK: Final = header(0, SETTINGS, ACK, 0)


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
