"""What memories and globals hold at one moment, to be written back later, also into others of their kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from proxy.sandbox import raw
from proxy.sandbox.pages import Pages
from proxy.sandbox.raw import Argument

_STRETCH: Final = 4096
"""Bytes that are looked at together: where all are zero nothing is kept."""

_MOST_KNOWN: Final = 64
"""Of stretches whose contents are put together once."""


_memory_size: Final = raw.memory_data_size
_set_global: Final = raw.global_set


class Restore:
    """Writes an image back."""

    def __call__(self) -> bool:
        """False: that cannot be done."""
        raise NotImplementedError


class MemoryImage:
    """Of a memory as it is made: `size` bytes, of which most are zero."""

    def __init__(self, context: Argument, address: Argument) -> None:
        self.size = raw.memory_data_size(context, address)
        self.contents = list(_contents(bytes(raw.view(raw.memory_data(context, address), self.size))))
        self._known: dict[tuple[int, int], bytes] = {}

    def between(self, begin: int, end: int) -> bytes:
        """The bytes of a stretch, the same object for many memories."""
        known = self._known.get((begin, end))
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            stretch = bytearray(end - begin)
            for at, content in self.contents:
                first, last = max(at, begin), min(at + len(content), end)
                if first < last:
                    stretch[first - begin : last - begin] = content[first - at : last - at]
            known = self._known[begin, end] = bytes(stretch)
        return known

    def into(self, context: Argument, address: Argument) -> Restore:
        """For the memory at an address, which was made like this one. One that has grown cannot be put back: memories
        do not shrink."""
        return _MemoryRestore(self, context, address)


class _MemoryRestore(Restore):
    """Guests touch few of their pages, and in exchange after exchange the same. All others are as they were made."""

    def __init__(self, image: MemoryImage, context: Argument, address: Argument) -> None:
        self._image = image
        self._context = context
        self._address = address
        base = raw.memory_data(context, address)  # it stays there, as the pool has its place
        self._view = raw.view(base, image.size)
        self._pages = Pages(base, image.size)
        for at, content in image.contents:
            self._view[at : at + len(content)] = content
        self._touched = self._pages.read()
        self._parts = self._written()

    def __call__(self) -> bool:
        if _memory_size(self._context, self._address) != self._image.size:
            return False
        touched = self._pages.read()
        if touched != self._touched:
            self._touched = touched
            self._parts = self._written()
        for begin, end, content in self._parts:
            self._view[begin:end] = content
        return True

    def _written(self) -> list[tuple[int, int, bytes]]:
        """What is to be written where."""
        stretches = self._pages.stretches(self._touched)
        return [(begin, end, self._image.between(begin, end)) for begin, end in stretches]


class GlobalImage:
    """Of a global that is a number."""

    def __init__(self, context: Argument, address: Argument) -> None:
        self._value = raw.block(raw.VALUE_SIZE)
        raw.global_get(context, address, raw.argument(raw.address_of(self._value)))

    def into(self, context: Argument, address: Argument) -> Restore:
        return _GlobalRestore(self._value, context, address)


class _GlobalRestore(Restore):
    def __init__(self, value: Any, context: Argument, address: Argument) -> None:
        self._keep = value
        self._value = raw.argument(raw.address_of(value))
        self._context = context
        self._address = address

    def __call__(self) -> bool:
        _set_global(self._context, self._address, self._value)  # of the same type, so that there is no error
        return True


def _contents(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where there is anything but zeros, and what."""
    begun: int | None = None
    for at in range(0, len(data) + _STRETCH, _STRETCH):
        stretch = data[at : at + _STRETCH]
        if stretch.count(0) != len(stretch):
            begun = at if begun is None else begun
        elif begun is not None:
            yield begun, data[begun:at]
            begun = None
