"""Memory in front of disk.

What is put goes to both; a hit in memory costs what it costs without a disk, and what is found on disk comes up into
memory, but for large bodies, which are read from their files piece by piece. All that touches the disk happens in one
thread, in the order it was asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from proxy.cache.disk import DiskStore
from proxy.cache.disk_body import FileBody
from proxy.cache.disk_purged import Record
from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Refusal
from proxy.cache.purged import Selector
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
        self._disk_size = disk.size
        # On the way of every hit: no call in between.
        self.get, self.peek = memory.get, memory.peek
        self.behind: Behind | None = self._behind
        self.spool: Spooling | None = self._spool
        self.mark, self.is_current, self.room = memory.mark, memory.is_current, memory.room
        self.sweep = memory.sweep
        self._heard: deque[tuple[list[Record], int]] = deque()
        """From the thread: what others that share the disk have purged, and the moment on disk up to which it is."""
        self._moment = disk.mark()
        self._own: deque[str] = deque(maxlen=1000)
        """Ids of purges that were carried out in this process."""
        self._sweeping = False
        """Changed in the thread alone."""
        self._submit(self._begin_sweep)

    @property
    def size(self) -> int:
        return self._memory.size

    @property
    def queued(self) -> int:
        """Bytes that wait to be written."""
        return self._submitted - self._written

    @property
    def count(self) -> int:
        return self._memory.count

    @property
    def unswept(self) -> bool:
        return self._memory.unswept

    def variants(self) -> list[Variants]:
        return self._memory.variants()

    @property
    def disk_size(self) -> int:
        """Bytes in use on disk, when last looked at."""
        return self._disk_size

    @property
    def evictions(self) -> int:
        return self._memory.evictions

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        self._listen()
        admitted = self._memory.admitted(key, entry, mark)
        if admitted is None:
            return Refusal.INVALIDATED
        entry = admitted
        refusal = Refusal.SIZE if isinstance(entry.body, FileBody) else self._memory.put(key, entry, mark)
        size = entry.size + Variants(key).size
        if size > self._disk.max_size:
            return refusal
        if isinstance(entry.body, FileBody):
            size -= len(entry.body)
        if self.queued and self.queued + size > QUEUE:
            return refusal
        if not self._submit(self._write, key, entry, size, self._moment):
            return refusal
        self._submitted += size
        return None

    def _write(self, key: Key, entry: Entry, size: int, moment: int) -> None:
        """moment: what was purged on disk up to then has been thought of."""
        try:
            refusal = self._disk.put(key, entry, moment)
            if refusal is not None and isinstance(entry.body, FileBody):
                entry.body.discard()
        except Exception:
            logger.exception("an entry could not be written to disk")
        finally:
            self._written += size
            self._tell()

    def delete(self, key: Key) -> None:
        self._memory.delete(key)
        self._submit(self._delete, key)

    def _delete(self, key: Key) -> None:
        self._disk.delete(key)
        self._tell()

    def purge(self, selectors: Sequence[Selector], stale_at: float | None = None, id: str = "") -> Future[None] | None:
        self._memory.purge(selectors, stale_at)
        if self._closed:
            return None
        if id:
            self._own.append(id)
        return self._thread.submit(self._record, selectors, stale_at, id)

    def _record(self, selectors: Sequence[Selector], stale_at: float | None, id: str) -> None:
        try:
            self._disk.record(selectors, stale_at, id)
        finally:
            self._tell()
            self._begin_sweep()

    def _tell(self) -> None:
        """In the thread, after what may have shown what others have purged."""
        self._disk_size = self._disk.size
        purged = self._disk.purged
        if purged.foreign or not self._heard or self._heard[-1][1] != purged.seen:
            self._heard.append((purged.foreign, purged.seen))
            purged.foreign = []

    def _listen(self) -> None:
        while self._heard:
            records, self._moment = self._heard.popleft()
            for record in records:
                if record.id not in self._own:
                    self._memory.purge([record.selector], record.stale_at)

    def _begin_sweep(self) -> None:
        """In the thread: free what was purged, in steps that let others in between."""
        if not self._sweeping:
            self._sweep_on()

    def _sweep_on(self) -> None:
        self._sweeping = self._disk.sweep() and self._submit(self._sweep_on)

    async def _behind(self, key: Key) -> Variants | None:
        mark, held = self.mark(), self._memory.peek(key)
        if self._closed:
            return held
        reading = asyncio.get_running_loop().run_in_executor(self._thread, self._read, key, held)
        done, _ = await asyncio.wait([reading], timeout=PATIENCE)
        found = reading.result() if done else None
        self._listen()
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
        found = self._disk.get(key) if self._memory.holds(key, held) else None
        self._tell()
        return found

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
