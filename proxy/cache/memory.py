"""Entries in memory."""

from __future__ import annotations

from proxy.cache.deletions import Deletions
from proxy.cache.entry import Entry, Variants
from proxy.cache.eviction import MOST_USES, Queues
from proxy.cache.key import Key
from proxy.cache.policy import Refusal
from proxy.cache.store import Behind, Spooling

ARRIVING_SHARE = 2
"""Bodies on their way in may take one in two bytes, so that those that never end cannot empty the store."""


class MemoryStore:
    """At most `max_size` bytes, with overhead, and with the bodies that are on their way in. What leaves first says
    `proxy.cache.eviction`."""

    behind: Behind | None = None
    spool: Spooling | None = None

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._variants: dict[Key, Variants] = {}
        self._queues: Queues[Variants] = Queues(self._evicted)
        self._arriving = 0
        self._deletions = Deletions()
        self.mark = self._deletions.mark
        self.is_current = self._deletions.is_current

    def get(self, key: Key) -> Variants | None:
        variants = self._variants.get(key)
        if variants is not None and variants.uses < MOST_USES:
            variants.uses += 1
        return variants

    def peek(self, key: Key) -> Variants | None:
        return self._variants.get(key)

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        if not self.is_current(key, mark):
            return Refusal.INVALIDATED
        variants = self._variants.get(key) or Variants(key)
        if entry.size > self._max_size - self._arriving - variants.key_size:
            return Refusal.SIZE
        before = variants.size
        variants.add(entry)
        while variants.size > self._max_size - self._arriving:
            variants.drop_oldest()
        if variants.queued:
            self._queues.grew(variants, variants.size - before)
        else:
            self._variants[key] = variants
            self._queues.put(variants)
        self._shrink()
        return None

    def delete(self, key: Key) -> None:
        variants = self._variants.pop(key, None)
        if variants is not None:
            self._queues.remove(variants)
            variants.clear()
        self._deletions.add(key)

    def room(self, limit: int) -> MemoryRoom:
        return MemoryRoom(self, limit)

    def set_aside(self, size: int) -> bool:
        """Bytes for a body that is arriving, or, below 0, back from it."""
        if size > 0 and self._arriving + size > self._max_size // ARRIVING_SHARE:
            return False
        self._arriving += size
        self._shrink()
        return True

    @property
    def size(self) -> int:
        """Bytes in use, by what is stored and by what is arriving."""
        return self._queues.size + self._arriving

    def _shrink(self) -> None:
        self._queues.shrink(self._max_size - self._arriving)

    def _evicted(self, variants: Variants) -> None:
        del self._variants[variants.key]


class MemoryRoom:
    """Bytes set aside for one body, of at most `limit`."""

    __slots__ = ("_left", "_store", "_taken")

    def __init__(self, store: MemoryStore, limit: int) -> None:
        self._store = store
        self._left = limit
        self._taken = 0

    def take(self, size: int) -> bool:
        if size > self._left or not self._store.set_aside(size):
            return False
        self._left -= size
        self._taken += size
        return True

    def free(self) -> None:
        if self._taken:
            self._store.set_aside(-self._taken)
            self._taken = 0
