"""Buffers that streams and futures copy from and to (CanonicalABI.md, buffer state).

Elements travel as Python values in a list; but those of integer types as the bytes that they are in memory, and those
without a type as their number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from proxy.component.abi import layout
from proxy.component.handles import trap
from proxy.component.types import F32, F64, S8, S16, S32, S64, U8, U16, U32, U64, ValueType

if TYPE_CHECKING:
    from proxy.component.instance import Context

MAX_LENGTH = (1 << 28) - 1

BYTES = (U8, S8, U16, S16, U32, S32, U64, S64)
"""Element types that are copied as bytes."""
NUMBERS = (*BYTES, F32, F64)

Elements = Any
"""A stretch of bytes, a number of elements, or a list of values: see above."""


class Buffer(Protocol):
    """`remain`: elements that it still has, or has room for. `length`: of how many at first."""

    length: int
    remain: int

    def read(self, count: int) -> Elements: ...

    def write(self, elements: Elements, count: int) -> None: ...


Load = Callable[["Context", int, int], list[Any]]
"""load(cx, pointer, count): values from memory."""
Store = Callable[["Context", int, Sequence[Any]], None]
"""store(cx, pointer, values)"""


class ElementType:
    """How elements lie in a guest's memory; `load` and `store` are for those that are not copied as bytes."""

    __slots__ = ("alignment", "kind", "load", "size", "store")

    def __init__(self, kind: ValueType | None, load: Load | None = None, store: Store | None = None) -> None:
        self.kind = kind
        self.size = 0 if kind is None else layout.size(kind)
        self.alignment = 1 if kind is None else layout.alignment(kind)
        self.load = load
        self.store = store


UNIT = ElementType(None)


class GuestBuffer:
    """A stretch of linear memory, which the guest leaves alone until its copy is over."""

    __slots__ = ("_cx", "_element", "_pointer", "length", "remain")

    def __init__(self, cx: Context, element: ElementType, pointer: int, length: int) -> None:
        if length > MAX_LENGTH:
            raise trap("stream read/write count too large")
        if element.kind is not None and length:
            if pointer & (element.alignment - 1):
                raise trap("unaligned pointer")
            end = pointer + length * element.size
            if end > cx.memory.size:
                cx.memory.reach(end)
        self._cx = cx
        self._element = element
        self._pointer = pointer
        self.length = self.remain = length

    def read(self, count: int) -> Elements:
        element, start = self._element, self._advance(count)
        if element.kind is None:
            return count
        if element.load is None:
            return self._cx.memory.view[start : start + count * element.size]
        return element.load(self._cx, start, count)

    def write(self, elements: Elements, count: int) -> None:
        element, start = self._element, self._advance(count)
        if element.kind is None:
            return
        if element.store is None:
            self._cx.memory.view[start : start + count * element.size] = elements
        else:
            element.store(self._cx, start, elements)

    def _advance(self, count: int) -> int:
        start = self._pointer
        self._pointer += count * self._element.size
        self.remain -= count
        return start


class HostSource:
    """What the host writes: bytes or values."""

    __slots__ = ("_elements", "_read", "_size", "length", "remain")

    def __init__(self, elements: Elements, count: int, size: int = 1) -> None:
        """`size`: of an element of `elements`, when those are bytes."""
        self._elements = memoryview(elements) if isinstance(elements, bytes | bytearray) else elements
        self._size = size
        self._read = 0
        self.length = self.remain = count

    def read(self, count: int) -> Elements:
        start, self._read = self._read, self._read + count
        self.remain -= count
        if isinstance(self._elements, int):
            return count
        return self._elements[start * self._size : (start + count) * self._size]

    def write(self, elements: Elements, count: int) -> None:
        raise AssertionError("a source is not written to")


class HostSink:
    """What the host reads, up to `count` elements of one copy."""

    __slots__ = ("elements", "length", "remain")

    def __init__(self, count: int) -> None:
        self.elements: Elements = None
        self.length = self.remain = count

    def read(self, count: int) -> Elements:
        raise AssertionError("a sink is not read from")

    def write(self, elements: Elements, count: int) -> None:
        self.remain -= count
        if self.elements is None:
            self.elements = bytes(elements) if isinstance(elements, memoryview) else elements
            return
        if isinstance(self.elements, bytes):  # which would be copied with each piece that comes
            self.elements = bytearray(self.elements)
        self.elements += elements

    def taken(self) -> Elements:
        """What there is of it, None for nothing."""
        return bytes(self.elements) if isinstance(self.elements, bytearray) else self.elements
