"""Where entries are kept. Every store does what `tests/cache/store_contract.py` says."""

from __future__ import annotations

from typing import Protocol

from cachetools import LRUCache

from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.policy import Refusal


class Store(Protocol):
    """Entries by primary key.

    Each call answers at once, from memory: a hit waits for nothing. A slower tier (disk, another machine) is to be
    asked by the stage after a miss here, where it awaits anyway.

    What is deleted stays deleted: a response that was asked for before a deletion of its key is not stored after
    it. So whoever asks for one takes a `mark` before, and `put`s with it.
    """

    def get(self, key: Key) -> Variants | None:
        """What there is, for use."""

    def peek(self, key: Key) -> Variants | None:
        """What there is, for looking: counts as no use."""

    def mark(self) -> int:
        """The moment before asking for what will be `put`."""

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        """Adds an entry, in place of one with the same selecting values; or SIZE when it is too large for the store,
        INVALIDATED when the key was deleted since `mark`."""

    def delete(self, key: Key) -> None:
        """Deletes all variants, including those being fetched."""

    def is_current(self, key: Key, mark: int) -> bool:
        """Whether what was asked for at `mark` may still be used: nothing of this key was deleted since."""

    def room(self, limit: int) -> Room:
        """For the body of what will be `put`, of at most `limit` bytes: it counts as stored while it comes in."""


class Room:
    """Bytes set aside in a memory store for one body that is arriving."""

    __slots__ = ("_left", "_store", "_taken")

    def __init__(self, store: MemoryStore, limit: int) -> None:
        self._store = store
        self._left = limit
        self._taken = 0

    def take(self, size: int) -> bool:
        """So many bytes more; False, and none, when there are no more to be had."""
        if size > self._left or not self._store.set_aside(size):
            return False
        self._left -= size
        self._taken += size
        return True

    def free(self) -> None:
        """They are no longer needed, or stored. Again: does nothing."""
        self._store.set_aside(-self._taken)
        self._taken = 0


def _size(variants: Variants) -> int:
    return variants.size


class MemoryStore:
    """The least recently used URIs go first when there is more than `max_size` bytes, overhead included."""

    DELETIONS = 10_000
    """Deletions remembered by key. What was asked for before one that is forgotten is not stored."""

    def __init__(self, max_size: int) -> None:
        self._variants: LRUCache[Key, Variants] = LRUCache(max_size, getsizeof=_size)
        self._clock = 0
        self._deleted: dict[Key, int] = {}
        self._forgotten = 0
        self._arriving = 0

    def get(self, key: Key) -> Variants | None:
        try:
            return self._variants[key]
        except KeyError:
            return None

    def peek(self, key: Key) -> Variants | None:
        try:
            return super(LRUCache, self._variants).__getitem__(key)
        except KeyError:
            return None

    def mark(self) -> int:
        return self._clock

    def is_current(self, key: Key, mark: int) -> bool:
        return self._deleted.get(key, self._forgotten) <= mark

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        if not self.is_current(key, mark):
            return Refusal.INVALIDATED
        variants = self.peek(key) or Variants(key)
        if entry.size > self._variants.maxsize - variants.key_size:
            return Refusal.SIZE
        variants.add(entry)
        while variants.size > self._variants.maxsize:
            variants.drop_oldest()
        self._variants[key] = variants
        self.set_aside(0)
        return None

    def delete(self, key: Key) -> None:
        self._variants.pop(key, None)
        self._clock += 1
        self._deleted.pop(key, None)
        self._deleted[key] = self._clock
        if len(self._deleted) > self.DELETIONS:
            self._forgotten = self._deleted.pop(next(iter(self._deleted)))

    def room(self, limit: int) -> Room:
        return Room(self, limit)

    def set_aside(self, size: int) -> bool:
        """Bytes for what is arriving; at most half of the store."""
        if size > 0 and self._arriving + size > self._variants.maxsize // 2:
            return False
        self._arriving += size
        while self._variants and self.size > self._variants.maxsize:
            self._variants.popitem()
        return True

    @property
    def size(self) -> int:
        """Bytes in use, by what is stored and by what is arriving."""
        return int(self._variants.currsize) + self._arriving
