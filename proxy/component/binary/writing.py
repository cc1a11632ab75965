"""Writes core modules of our own, and sections of others'."""

from __future__ import annotations

from collections.abc import Sequence

CODES = {"i32": 0x7F, "i64": 0x7E, "f32": 0x7D, "f64": 0x7C}


def module(sections: Sequence[tuple[int, Sequence[bytes]]]) -> bytes:
    """Sections of items, by number."""
    return b"\0asm\x01\0\0\0" + b"".join(section(number, vec(items)) for number, items in sections)


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def functype(params: Sequence[str], results: Sequence[str]) -> bytes:
    return b"\x60" + vec([bytes([CODES[kind]]) for kind in params]) + vec([bytes([CODES[kind]]) for kind in results])


def vec(items: Sequence[bytes]) -> bytes:
    return leb(len(items)) + b"".join(items)


def name(text: str) -> bytes:
    encoded = text.encode()
    return leb(len(encoded)) + encoded


def body(instructions: bytes) -> bytes:
    """A function without locals besides its parameters."""
    content = b"\x00" + instructions + b"\x0b"
    return leb(len(content)) + content


def leb(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
