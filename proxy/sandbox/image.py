"""What memories and globals hold at one moment, to be written back later, also into others of their kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from proxy.sandbox import raw

_STRETCH = 4096
"""Bytes that are looked at together: where all are zero nothing is kept."""


Restore = Callable[[], bool]
"""Writes an image back. False: that cannot be done."""


class MemoryImage:
    """Of a memory: `size` bytes, of which most are zero."""

    def __init__(self, context: int, address: int) -> None:
        self.size: int = raw.memory_data_size(context, address)
        self._contents = list(_contents(bytes(raw.view(raw.memory_data(context, address), self.size))))

    def into(self, context: int, address: int) -> Restore:
        """For the memory at an address. One that has grown cannot be put back: memories do not shrink."""
        base, size = raw.memory_data(context, address), self.size  # it stays there, as the pool has its place
        contents = [(base + offset, content, len(content)) for offset, content in self._contents]

        def restore() -> bool:
            if raw.memory_data_size(context, address) != size:
                return False
            raw.fill(base, 0, size)
            for target, content, length in contents:
                raw.copy(target, content, length)
            return True

        return restore


class GlobalImage:
    """Of a global that is a number."""

    def __init__(self, context: int, address: int) -> None:
        self._value = raw.block(raw.VALUE_SIZE)
        self._at: int = raw.address_of(self._value)
        raw.global_get(context, address, self._at)

    def into(self, context: int, address: int) -> Restore:
        value = self._at

        def restore() -> bool:
            raw.global_set(context, address, value)  # of the same type, so that there is no error
            return True

        return restore


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
