"""Frames of HTTP/2 for tests, made and read apart from the code they test: with `hpack`, by the letter of RFC 9113."""

from __future__ import annotations

from typing import NamedTuple

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
NAMES = (
    "DATA", "HEADERS", "PRIORITY", "RST_STREAM", "SETTINGS", "PUSH_PROMISE", "PING", "GOAWAY", "WINDOW_UPDATE",
    "CONTINUATION",
)  # fmt: skip
ERRORS = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
)  # fmt: skip
END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY, ACK = 1, 4, 8, 32, 1

Line = tuple[str | bytes, str | bytes]

GET: list[Line] = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/")]
POST: list[Line] = [(":method", "POST"), *GET[1:]]


def frame(type: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((type, flags)) + stream.to_bytes(4, "big") + payload


def block(lines: list[Line]) -> bytes:
    """Without the dynamic table, so that each block stands for itself."""
    return b"".join(_literal(line) for line in lines)


def _literal(line: Line) -> bytes:
    name, value = (part.encode("latin-1") if isinstance(part, str) else part for part in line)
    return b"\0" + _string(name) + _string(value)


def _string(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),)) + text
    rest, coded = len(text) - 127, b"\x7f"
    while rest >= 128:
        coded += bytes((rest & 127 | 128,))
        rest >>= 7
    return coded + bytes((rest,)) + text


def headers(stream: int, lines: list[Line], *, end: bool = True) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, block(lines))


def data(stream: int, payload: bytes, *, end: bool = False) -> bytes:
    return frame(DATA, END_STREAM if end else 0, stream, payload)


def settings(values: dict[int, int] | None = None) -> bytes:
    pairs = (values or {}).items()
    return frame(SETTINGS, 0, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs))


def rst_stream(stream: int, code: int = 8) -> bytes:
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def window_update(stream: int, increment: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, increment.to_bytes(4, "big"))


HELLO = PREFACE + settings()


class Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    payload: bytes


def frames(wire: bytes) -> list[Frame]:
    found = []
    while wire:
        length = int.from_bytes(wire[:3], "big")
        found.append(Frame(wire[3], wire[4], int.from_bytes(wire[5:9], "big"), wire[9 : 9 + length]))
        wire = wire[9 + length :]
    return found


class Reader:
    """Says in words what frames say. Left out: settings and their acknowledgement, the window of the connection, and
    dates."""

    def __init__(self) -> None:
        self._decoder = hpack.Decoder()

    def read(self, wire: bytes) -> list[str]:
        return [said for each in frames(wire) if (said := self._say(each))]

    def _say(self, frame: Frame) -> str:
        end = " END" if frame.flags & END_STREAM and frame.type in (DATA, HEADERS) else ""
        where = f"{frame.stream} " if frame.stream else ""
        match frame.type:
            case 1:
                lines = self._decoder.decode(frame.payload, raw=True)
                kept = [f"{n.decode()}={v.decode('latin-1')}" for n, v in lines if n not in (b"date", b"x-request-id")]
                return f"{where}HEADERS {' '.join(kept)}{end}"
            case 0:
                return f"{where}DATA {frame.payload.decode('latin-1')}{end}"
            case 3:
                return f"{where}RST_STREAM {ERRORS[int.from_bytes(frame.payload, 'big')]}"
            case 7:
                last, code = int.from_bytes(frame.payload[:4], "big"), int.from_bytes(frame.payload[4:8], "big")
                return f"GOAWAY {last if last < 2**31 - 1 else 'max'} {ERRORS[code]}"
            case 8:
                return f"{where}WINDOW_UPDATE {int.from_bytes(frame.payload, 'big')}" if frame.stream else ""
            case 6:
                return f"PING {'ACK' if frame.flags & ACK else ''}".strip()
            case 4:
                return ""
        return f"{where}{NAMES[frame.type]}"
