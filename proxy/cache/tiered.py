"""Memory in front of disk.

What is put goes to both; a hit in memory costs what it costs without a disk, and what is found on disk comes up into
memory, but for large bodies, which are read from their files piece by piece. All that touches the disk happens in one
thread, in the order it was asked for.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

from proxy.cache.disk import DiskStore
from proxy.cache.disk_body import FileBody
from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Refusal
from proxy.cache.store import Behind

logger = logging.getLogger(__name__)

QUEUE = 32 << 20
"""Bytes that may wait to be written; what comes beyond that stays in memory alone."""


class TieredStore:
    """Owns both."""

    def __init__(self, memory: MemoryStore, disk: DiskStore) -> None:
        self._memory = memory
        self._disk = disk
        self._thread = ThreadPoolExecutor(1, "cache-disk")
        self._submitted = self._written = 0
        """Bytes; each changed in one thread alone."""
        # On the way of every hit: no call in between.
        self.get, self.peek = memory.get, memory.peek
        self.behind: Behind | None = self._behind
        self.mark, self.is_current, self.room = memory.mark, memory.is_current, memory.room

    @property
    def size(self) -> int:
        return self._memory.size

    @property
    def queued(self) -> int:
        """Bytes that wait to be written."""
        return self._submitted - self._written

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        if not self.is_current(key, mark):
            return Refusal.INVALIDATED
        refusal = Refusal.SIZE if isinstance(entry.body, FileBody) else self._memory.put(key, entry, mark)
        size = entry.size + Variants(key).size
        if size > self._disk.max_size or (self.queued and self.queued + size > QUEUE):
            return refusal
        self._submitted += size
        self._thread.submit(self._write, key, entry, size)
        return None

    def _write(self, key: Key, entry: Entry, size: int) -> None:
        try:
            self._disk.put(key, entry, self._disk.mark())
        except Exception:
            logger.exception("an entry could not be written to disk")
        finally:
            self._written += size

    def delete(self, key: Key) -> None:
        self._memory.delete(key)
        self._thread.submit(self._disk.delete, key)

    async def _behind(self, key: Key) -> Variants | None:
        mark, held = self.mark(), self._memory.peek(key)
        found = await asyncio.get_running_loop().run_in_executor(self._thread, self._read, key, held)
        if found is None or not self.is_current(key, mark):
            return self.get(key)
        held = self._memory.peek(key)
        newer = list(held.entries()) if held is not None else []
        for entry in newer:
            found.add(entry)
        for entry in list(found.entries()):
            if entry not in newer and not isinstance(entry.body, FileBody):
                self._memory.put(key, entry, mark)
        return found

    def _read(self, key: Key, held: Variants | None) -> Variants | None:
        """In its turn; by then somebody else may have brought it up."""
        return self._disk.get(key) if self._memory.peek(key) is held else None

    def close(self) -> None:
        """When all is written."""
        self._thread.shutdown()
        self._disk.close()
