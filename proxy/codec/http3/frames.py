"""Frames of HTTP/3 as bytes (RFC 9114 §7), and the integers they are made of (RFC 9000 §16)."""

from __future__ import annotations

# §7.2
DATA, HEADERS, CANCEL_PUSH, SETTINGS, PUSH_PROMISE, GOAWAY, MAX_PUSH_ID = 0x0, 0x1, 0x3, 0x4, 0x5, 0x7, 0xD

OF_HTTP2 = frozenset((0x2, 0x6, 0x8, 0x9))
"""§7.2.8: frames that HTTP/2 has and HTTP/3 has not."""

# §6.2, and RFC 9204 §4.2: what streams in one direction are for.
CONTROL, PUSH, QPACK_ENCODER, QPACK_DECODER = 0x0, 0x1, 0x2, 0x3

# §7.2.4.1, and RFC 9204 §5
QPACK_MAX_TABLE_CAPACITY, MAX_FIELD_SECTION_SIZE, QPACK_BLOCKED_STREAMS = 0x1, 0x6, 0x7

SETTINGS_OF_HTTP2 = frozenset((0x2, 0x3, 0x4, 0x5))

# §8.1, and RFC 9204 §6
NO_ERROR = 0x100
INTERNAL_ERROR = 0x102
STREAM_CREATION_ERROR = 0x103
CLOSED_CRITICAL_STREAM = 0x104
FRAME_UNEXPECTED = 0x105
FRAME_ERROR = 0x106
EXCESSIVE_LOAD = 0x107
ID_ERROR = 0x108
SETTINGS_ERROR = 0x109
MISSING_SETTINGS = 0x10A
REQUEST_REJECTED = 0x10B
REQUEST_CANCELLED = 0x10C
REQUEST_INCOMPLETE = 0x10D
MESSAGE_ERROR = 0x10E
QPACK_DECOMPRESSION_FAILED = 0x200
QPACK_ENCODER_STREAM_ERROR = 0x201
QPACK_DECODER_STREAM_ERROR = 0x202

LARGEST_REQUEST = (1 << 62) - 4
"""The largest ID that a stream with a request can have."""


def integer(value: int) -> bytes:
    if value < 0x40:
        return bytes((value,))
    if value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if value < 0x4000_0000:
        return (value | 0x8000_0000).to_bytes(4, "big")
    return (value | 0xC000_0000_0000_0000).to_bytes(8, "big")


def read_pair(data: bytes | bytearray, at: int) -> tuple[int, int, int] | None:
    """Two integers, such as a frame begins with, and where what follows begins; None when they are not all there."""
    first = read_integer(data, at)
    second = None if first is None else read_integer(data, first[1])
    return None if first is None or second is None else (first[0], *second)


def read_integer(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """The value, and where what follows begins; None when it is not all there."""
    if at >= len(data):
        return None
    first = data[at]
    if first < 0x40:
        return first, at + 1
    end = at + (1 << (first >> 6))
    if end > len(data):
        return None
    return int.from_bytes(data[at:end], "big") & ((1 << (8 * (end - at) - 2)) - 1), end


def frame(type: int, payload: bytes) -> bytes:
    return integer(type) + integer(len(payload)) + payload


def header(type: int, length: int) -> bytes:
    return integer(type) + integer(length)


def settings(values: dict[int, int]) -> bytes:
    return frame(SETTINGS, b"".join(integer(name) + integer(value) for name, value in values.items()))
