"""Entries in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from proxy.cache.entry import Entry, Variants
from proxy.cache.eviction import Queues
from proxy.cache.key import Key
from proxy.cache.policy import Refusal
from proxy.cache.purged import Purged, Selector
from proxy.cache.store import Behind, Spooling

ARRIVING_SHARE = 2
"""Bodies on their way in may take one in two bytes, so that those that never end cannot empty the store."""

STEP = 200
"""Keys and entries that a sweep looks at before others may have their turn: about a millisecond."""


class MemoryStore:
    """At most `max_size` bytes, with overhead, and with the bodies that are on their way in. What leaves first says
    `proxy.cache.eviction`."""

    behind: Behind | None = None
    spool: Spooling | None = None
    disk_size: int | None = None

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._variants: dict[Key, Variants] = {}
        self._queues: Queues[Variants] = Queues(self._evicted)
        self._arriving = 0
        self._purged = Purged()
        self._latest = 0
        self._swept = 0
        self.mark = self._purged.mark
        self.is_current = self._purged.is_current
        self.evictions = 0
        """Keys that have left for want of room."""

    def get(self, key: Key) -> Variants | None:
        variants = self._variants.get(key)
        if variants is not None:
            if variants.compared != self._latest:
                return self._compared(variants)
            variants.uses += 1
        return variants

    def peek(self, key: Key) -> Variants | None:
        variants = self._variants.get(key)
        return self._compared(variants) if variants is not None else None

    def holds(self, key: Key, variants: Variants | None) -> bool:
        """These very ones are under the key. May be asked in any thread."""
        return self._variants.get(key) is variants

    def variants(self) -> list[Variants]:
        """All there are, for looking."""
        return list(self._variants.values())

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        admitted = self.admitted(key, entry, mark)
        if admitted is None:
            return Refusal.INVALIDATED
        entry = admitted
        variants = self.peek(key) or self._new(key)
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

    def admitted(self, key: Key, entry: Entry, mark: int) -> Entry | None:
        """What of it may be stored, after what was purged since it was asked for."""
        until = self._purged.asked(key, entry.tags, mark)
        return None if until is None else entry if until == inf else entry.fresh_only_until(until)

    def delete(self, key: Key) -> None:
        self.purge([("url", key)])

    def purge(self, selectors: Sequence[Selector], stale_at: float | None = None, id: str = "") -> None:
        self._purged.add(selectors, stale_at)
        self._latest = self._purged.latest
        for _, what in selectors:
            if isinstance(what, tuple) and (variants := self.peek(what)) is not None:
                self._keep(variants, dict.fromkeys(variants.entries(), stale_at))

    def sweep(self) -> Iterator[None]:
        """Free what was purged. To be gone through, a step whenever there is time; once at a time."""
        looked_at = 0

        def compare(variants: Variants) -> None:
            nonlocal looked_at
            looked_at += variants.count
            self._compared(variants)

        while self.unswept:
            latest = self._latest
            for _ in self._queues.walk(compare):
                looked_at += 1
                if looked_at >= STEP:
                    yield
                    looked_at = 0
            self._swept = latest
            self._purged.compared(latest)

    @property
    def unswept(self) -> bool:
        return self._swept < self._latest

    def _new(self, key: Key) -> Variants:
        variants = Variants(key)
        variants.compared = self._latest
        return variants

    def _compared(self, variants: Variants) -> Variants | None:
        """What is left of them after what was purged."""
        if variants.compared == self._latest:
            return variants
        key, since = variants.key, variants.compared
        variants.compared = self._latest
        return self._keep(variants, {e: self._purged.stored(key, e.tags, since) for e in variants.entries()})

    def _keep(self, variants: Variants, until: dict[Entry, float | None]) -> Variants | None:
        """Entries, fresh until then at most; without those for which that is None."""
        before = variants.size
        for entry, moment in until.items():
            if moment is None:
                variants.drop(entry)
            elif (aged := entry.fresh_only_until(moment)) is not entry:
                variants.add(aged)
        if variants.size != before:
            self._queues.grew(variants, variants.size - before)
        if variants.count:
            return variants
        del self._variants[variants.key]
        self._queues.remove(variants)
        return None

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
    def count(self) -> int:
        """Keys."""
        return len(self._variants)

    @property
    def size(self) -> int:
        """Bytes in use, by what is stored and by what is arriving."""
        return self._queues.size + self._arriving

    def _shrink(self) -> None:
        self._queues.shrink(self._max_size - self._arriving)

    def _evicted(self, variants: Variants) -> None:
        del self._variants[variants.key]
        self.evictions += 1


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
