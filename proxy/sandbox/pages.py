"""Which pages of a memory were touched: the system has none yet where nobody has read or written.

Linux says it in /proc/self/pagemap (Documentation/admin-guide/mm/pagemap.rst). Where there is no such file, no
descriptor for it, or one that knows nothing of a page which is there, all pages count as touched.
"""

from __future__ import annotations

import errno
import os
import sys
from struct import iter_unpack
from typing import Final

from proxy.sandbox import raw

SIZE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_ENTRY: Final = 8
_IS_THERE: Final = 0b11 << 62
"""Of an entry: the page is present, or is swapped out (or on its way)."""


class _PageMap:
    """The open file, which is about the process that has opened it, not about one that was forked from it."""

    def __init__(self) -> None:
        self._file = -1
        self._tells = True

    def open(self) -> None:
        if self._file < 0 and self._tells:
            self._file = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
            self._tells = self._knows_of_a_page()
        if not self._tells:
            raise OSError(errno.ENOTSUP, "it does not say which pages are there")

    def _knows_of_a_page(self) -> bool:
        """Other systems have files of this name. What is said of one page shows whether it can be believed."""
        block = raw.block(2 * SIZE)
        block[:] = bytes(len(block))
        whole = -(-raw.address_of(block) // SIZE)  # the page that is all in it
        entry = int.from_bytes(os.pread(self._file, _ENTRY, whole * _ENTRY), sys.byteorder)
        return bool(entry & _IS_THERE)

    def forget(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def read(self, size: int, offset: int) -> bytes:
        self.open()
        return os.pread(self._file, size, offset)


_map = _PageMap()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_map.forget)


class Pages:
    """Of the memory at `base`, of `size` bytes. What `read` gives is the same as long as the pages are."""

    def __init__(self, base: int, size: int) -> None:
        self._size = size
        self._count = size // SIZE
        self._offset = base // SIZE * _ENTRY
        self._known = base % SIZE == size % SIZE == 0
        if self._known:
            try:
                _map.open()
                # From now on only what is touched is there, and the rest is as it was mapped: zeros, or an image.
                self._known = raw.give_back(base, size)
            except OSError:
                self._known = False

    def read(self) -> bytes:
        """What the system says of them."""
        if self._known:
            try:
                return _map.read(self._count * _ENTRY, self._offset)
            except OSError:
                self._known = False
        return b""

    def stretches(self, read: bytes) -> list[tuple[int, int]]:
        """Where the pages begin and end that were touched, according to what was read."""
        if len(read) != self._count * _ENTRY:
            return [(0, self._size)]
        found: list[tuple[int, int]] = []
        begun = -1
        for index, (entry,) in enumerate(iter_unpack("=Q", read + bytes(_ENTRY))):
            if entry & _IS_THERE:
                begun = index if begun < 0 else begun
            elif begun >= 0:
                found.append((begun * SIZE, index * SIZE))
                begun = -1
        return found
