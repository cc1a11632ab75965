"""Memory in front of disk.

What is put goes to both; a hit in memory costs what it costs without a disk, and what is found on disk comes up into
memory, but for large bodies, which are read from their files piece by piece. All that touches the disk happens in one
thread, in the order it was asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from proxy.cache.disk import DiskStore
from proxy.cache.disk_body import FileBody
from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Refusal
from proxy.cache.spool import Spool
from proxy.cache.store import Behind, Spooling

logger = logging.getLogger(__name__)

QUEUE = 32 << 20
"""Bytes that may wait to be written; what comes beyond that stays in memory alone."""

PATIENCE = 1.0
"""Seconds that a miss waits for the disk."""


class TieredStore:
    """Owns both."""

    def __init__(self, memory: MemoryStore, disk: DiskStore) -> None:
        self._memory = memory
        self._disk = disk
        self._thread = ThreadPoolExecutor(1, "cache-disk")
        self._submitted = self._written = 0
        """Bytes; each changed in one thread alone."""
        self._closed = False
        # On the way of every hit: no call in between.
        self.get, self.peek = memory.get, memory.peek
        self.behind: Behind | None = self._behind
        self.spool: Spooling | None = self._spool
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
        if size > self._disk.max_size:
            return refusal
        if isinstance(entry.body, FileBody):
            size -= len(entry.body)
        if self.queued and self.queued + size > QUEUE:
            return refusal
        if not self._submit(self._write, key, entry, size):
            return refusal
        self._submitted += size
        return None

    def _write(self, key: Key, entry: Entry, size: int) -> None:
        try:
            refusal = self._disk.put(key, entry, self._disk.mark())
            if refusal is not None and isinstance(entry.body, FileBody):
                entry.body.discard()
        except Exception:
            logger.exception("an entry could not be written to disk")
        finally:
            self._written += size

    def delete(self, key: Key) -> None:
        self._memory.delete(key)
        self._submit(self._disk.delete, key)

    async def _behind(self, key: Key) -> Variants | None:
        mark, held = self.mark(), self._memory.peek(key)
        if self._closed:
            return held
        reading = asyncio.get_running_loop().run_in_executor(self._thread, self._read, key, held)
        done, _ = await asyncio.wait([reading], timeout=PATIENCE)
        found = reading.result() if done else None
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

    def _spool(self, limit: int) -> Spool | None:
        if self._closed:
            return None
        try:
            return Spool(self._disk.new_file(), min(limit, self._disk.max_size), self._submit)
        except OSError as error:
            logger.error("a body cannot be written to disk: %s", error)
            return None

    def _read(self, key: Key, held: Variants | None) -> Variants | None:
        """In its turn; by then somebody else may have brought it up."""
        return self._disk.get(key) if self._memory.peek(key) is held else None

    def _submit(self, work: Callable[..., object], *arguments: object) -> bool:
        """To be done in the thread; False when there is none any more."""
        if not self._closed:
            self._thread.submit(work, *arguments)
        return not self._closed

    def close(self) -> None:
        """When all is written. What comes later stays in memory."""
        self._closed = True
        self._thread.shutdown()
        self._disk.close()
