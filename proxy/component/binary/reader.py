"""A cursor over untrusted bytes that never reads past its end and never raises anything but DecodeError."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DecodeError(Exception):
    """The bytes are not a component this host can read. `offset` is where, in bytes from the start of the file."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(f"{message} (at offset 0x{offset:x})")
        self.message = message
        self.offset = offset


class Reader:
    """Reads `data[position:end]`."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, position: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = position
        self.end = len(data) if end is None else end

    @property
    def done(self) -> bool:
        return self.position >= self.end

    def fail(self, message: str) -> DecodeError:
        return DecodeError(message, self.position)

    def byte(self) -> int:
        if self.position >= self.end:
            raise self.fail("unexpected end")
        value = self.data[self.position]
        self.position += 1
        return value

    def take(self, length: int) -> bytes:
        if length > self.end - self.position:
            raise self.fail(f"{length} bytes announced, {self.end - self.position} left")
        start = self.position
        self.position += length
        return self.data[start : self.position]

    def u32(self) -> int:
        """Unsigned LEB128 of at most 32 bits (core specification, binary values)."""
        result = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            if shift == 28 and byte > 0x0F:
                raise self.fail("integer too large")
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
        raise self.fail("integer representation too long")

    def s33(self) -> int:
        """Signed LEB128 of at most 33 bits, as type positions use: a type index, or a negative opcode."""
        result = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result - (1 << (shift + 7)) if byte & 0x40 else result
        raise self.fail("integer representation too long")

    def name(self) -> str:
        start = self.position
        try:
            return self.take(self.u32()).decode()
        except UnicodeDecodeError:
            raise DecodeError("name is not UTF-8", start) from None

    def vec(self, item: Callable[[], T]) -> tuple[T, ...]:
        """A counted sequence. Every item takes at least a byte, so a count beyond what is left is refused at once."""
        count = self.u32()
        if count > self.end - self.position:
            raise self.fail(f"{count} items announced in {self.end - self.position} bytes")
        return tuple([item() for _ in range(count)])

    def flag(self) -> bool:
        value = self.byte()
        if value > 1:
            raise self.fail(f"0x{value:02x} is neither absent nor present")
        return value == 1

    def optional(self, item: Callable[[], T]) -> T | None:
        return item() if self.flag() else None

    def section(self) -> tuple[int, Reader]:
        """A section's id and a reader of its content."""
        number = self.byte()
        size = self.u32()
        if size > self.end - self.position:
            raise self.fail(f"section {number} announces {size} bytes, {self.end - self.position} left")
        content = Reader(self.data, self.position, self.position + size)
        self.position += size
        return number, content

    def finish(self, what: str) -> None:
        if self.position != self.end:
            raise self.fail(f"{self.end - self.position} unread bytes at the end of {what}")
