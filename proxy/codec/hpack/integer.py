"""Integers with a prefix, as HPACK and QPACK have them (RFC 7541 §5.1, RFC 9204 §4.1.1)."""

from __future__ import annotations

_LONGEST = 4
"""Bytes of an integer after its first: enough for any length and index that makes sense."""


class IntegerError(ValueError):
    """It is too long."""


def read(data: bytes, at: int, bits: int) -> tuple[int, int]:
    """The value, and where what follows begins. bits: of the first byte that are its. Raises IntegerError, or
    IndexError where the data end within it."""
    mask = (1 << bits) - 1
    value = data[at] & mask
    at += 1
    if value < mask:
        return value, at
    for shift in range(0, 7 * _LONGEST, 7):
        byte = data[at]
        at += 1
        value += (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IntegerError("an integer that is too long")


def write(value: int, bits: int, kind: int) -> bytes:
    """kind: what stands in the bits before it."""
    mask = (1 << bits) - 1
    if value < mask:
        return bytes((kind | value,))
    coded = bytearray((kind | mask,))
    value -= mask
    while value >= 0x80:
        coded.append(0x80 | value & 0x7F)
        value >>= 7
    coded.append(value)
    return bytes(coded)
