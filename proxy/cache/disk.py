"""Entries on disk, which outlive the process, and its sudden end.

Heads and small bodies are rows of an SQLite database in WAL mode; a large body is a file of its own, written before
the row that names it, so that a row is never without its file and a file without a row is waste, removed at the next
start. A transaction is all or nothing whenever the process is killed; a checksum of every row, and of every block of a
file, finds what was damaged in other ways, and that is as if it had never been stored. Nothing is rebuilt at the start.

Several processes may use one directory.

Everything here waits for the disk: `proxy.cache.tiered` calls it in a thread of its own.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4
from zlib import crc32

from proxy.cache.disk_body import FileBody, checksums
from proxy.cache.disk_purged import SCHEMA, DiskPurged
from proxy.cache.disk_record import FORMAT, key_of, pack, packed, unpack
from proxy.cache.entry import Entry, Variants
from proxy.cache.key import Key
from proxy.cache.policy import Refusal
from proxy.cache.purged import Selector
from proxy.cache.sqlite import is_outside, statements, transaction

logger = logging.getLogger(__name__)

INLINE = 64 * 1024
"""Bytes of a body up to which it stands in the row."""

ROW_OVERHEAD = 400
FILE_OVERHEAD = 4096
"""Bytes of disk beyond the contents."""

FREE_PAGES = 256
"""Pages of 4 KiB that the database may keep for what comes next; or a tenth, if that is more."""

USED_AGAIN = 60
"""Seconds before a use of what was used is worth writing down."""

STEP = 200
"""Rows that a sweep looks at before others may have their turn."""

QUIET = 10.0
"""Seconds between two complaints about the disk."""

TIMEOUT = 5.0
"""Seconds to wait for another process to finish its transaction."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY, key BLOB NOT NULL, variant BLOB NOT NULL, record BLOB NOT NULL, body BLOB, file TEXT,
    length INTEGER NOT NULL, sums BLOB NOT NULL, checksum INTEGER NOT NULL, size INTEGER NOT NULL,
    received REAL NOT NULL, used INTEGER NOT NULL, tags BLOB NOT NULL, compared INTEGER NOT NULL,
    UNIQUE (key, variant));
CREATE INDEX IF NOT EXISTS by_use ON entries (used);
CREATE INDEX IF NOT EXISTS by_file ON entries (file) WHERE file IS NOT NULL;
CREATE TABLE IF NOT EXISTS total (size INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT * FROM total);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON entries BEGIN UPDATE total SET size = size + new.size; END;
CREATE TRIGGER IF NOT EXISTS gone AFTER DELETE ON entries BEGIN UPDATE total SET size = size - old.size; END;
"""

T = TypeVar("T")
U = TypeVar("U")


class DiskStore:
    """At most `max_size` bytes in `directory`, which is made if it is not there. The least recently used goes first.

    OSError when the directory cannot be used. Later, what goes wrong with the disk is logged, and otherwise as if
    nothing were stored.
    """

    def __init__(self, directory: Path, max_size: int) -> None:
        self.max_size = max_size
        self._directory = directory
        self._bodies = directory / "bodies"
        self._purged: DiskPurged | None = None
        self._unrecorded: list[tuple[Sequence[Selector], float | None, str]] = []
        self._swept_to: tuple[int, int] | None = None
        self._quiet_until = 0.0
        self._bodies.mkdir(parents=True, exist_ok=True)
        if not os.access(self._bodies, os.W_OK | os.X_OK):
            raise PermissionError(f"{self._bodies} cannot be written to")
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._unlock = weakref.finalize(self, os.close, self._lock)
        try:
            self._open()
        except sqlite3.Error as error:
            raise OSError(f"{directory}: {error}") from error

    def _open(self) -> None:
        """Alone in the directory, tidy it up."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            alone = False
            fcntl.flock(self._lock, fcntl.LOCK_SH)
        else:
            alone = True
        try:
            self._connect()
            if alone:
                self._sweep()
        except sqlite3.Error as error:
            if is_outside(error):
                raise
            self._start_anew(error)
            if alone:
                self._sweep()
        if alone:
            fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _connect(self) -> None:
        self._db = sqlite3.connect(
            self._directory / "entries.sqlite", timeout=TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            (written,) = self._db.execute("PRAGMA user_version").fetchone()
            if written == 0:
                self._db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA journal_size_limit = 8388608")
            self._prepare(written)
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, written: int) -> None:
        with transaction(self._db):
            if written != FORMAT:  # else nothing is written, so that a full disk keeps no process from beginning
                self._make_tables(written)
            known, self._purged = self._purged, DiskPurged(self._db)
            if known is not None:
                self._purged.begin(known.seen + 1)
            self._purged.catch_up()
            self._purged.foreign.clear()

    def _make_tables(self, written: int) -> None:
        if written != 0:
            for table in ("entries", "total", "purged", "clock"):
                self._db.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in statements(_SCHEMA + SCHEMA):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA user_version = {FORMAT}")

    def _start_anew(self, error: sqlite3.Error) -> None:
        """The database cannot be read any more."""
        logger.error("cache in %s is damaged (%s): it starts empty", self._directory, error)
        with suppress(sqlite3.Error, AttributeError):
            self._db.close()
        for suffix in ("", "-wal", "-shm"):
            (self._directory / f"entries.sqlite{suffix}").unlink(missing_ok=True)
        self._connect()

    def _sweep(self) -> None:
        """Remove files that no row names: of a process that was killed."""
        named = {name for (name,) in self._db.execute("SELECT file FROM entries WHERE file IS NOT NULL")}
        self._unlink(path.name for path in self._bodies.iterdir() if path.name not in named)

    def close(self) -> None:
        self._db.close()
        self._unlock()

    # What a store does.

    def get(self, key: Key) -> Variants | None:
        return self._guarded(lambda: self._get(key, time.time_ns()), None)

    def peek(self, key: Key) -> Variants | None:
        return self._guarded(lambda: self._get(key, None), None)

    def put(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        return self._guarded(lambda: self._admit(key, entry, mark), Refusal.INCOMPLETE)

    def _admit(self, key: Key, entry: Entry, mark: int) -> Refusal | None:
        self._catch_up()
        until = self.purged.known.asked(key, entry.tags, mark)
        if until is None:
            return Refusal.INVALIDATED
        if until != inf:
            entry = entry.fresh_only_until(until)
        record, identity = pack(entry), packed((entry.place, entry.selecting, entry.values))
        name = packed(key)
        inline = len(entry.body) <= INLINE and isinstance(entry.body, bytes)
        size = 2 * len(name) + len(identity) + len(record) + len(entry.body) + ROW_OVERHEAD
        if not inline:
            size += FILE_OVERHEAD
        if size > self.max_size:
            return Refusal.SIZE
        return self._put(name, identity, record, entry, size)

    def new_file(self) -> Path:
        """Where a body may be written that will be `put`."""
        return self._bodies / uuid4().hex

    def delete(self, key: Key) -> None:
        self.purge([("url", key)])

    def purge(self, selectors: Sequence[Selector], stale_at: float | None = None, id: str = "") -> None:
        self._guarded(lambda: self._purge(selectors, stale_at, id), None)

    def record(self, selectors: Sequence[Selector], stale_at: float | None, id: str) -> None:
        """A purge, once for all who know it by that id. When this returns it is on disk for good; until it is nothing
        is got. Raises OSError."""
        try:
            self._db.execute("PRAGMA synchronous = FULL")
            self._purge(selectors, stale_at, id)
        except sqlite3.Error as error:
            raise OSError(f"{self._directory}: {error}") from error
        finally:
            with suppress(sqlite3.Error):
                self._db.execute("PRAGMA synchronous = NORMAL")

    def mark(self) -> int:
        return self.purged.seen

    @property
    def purged(self) -> DiskPurged:
        assert self._purged is not None
        return self._purged

    @property
    def size(self) -> int:
        """Bytes in use, as far as they are counted: SQLite's own pages come on top."""
        return self._guarded(lambda: int(self._db.execute("SELECT size FROM total").fetchone()[0]), 0)

    # How.

    def _get(self, key: Key, now: int | None) -> Variants | None:
        self._catch_up()
        name = packed(key)
        rows = self._db.execute(
            "SELECT id, record, body, file, length, sums, checksum, used, compared FROM entries"
            " WHERE key = ? ORDER BY received",
            (name,),
        ).fetchall()
        variants = Variants(key)
        for id, record, body, file, length, sums, checksum, used, compared in rows:
            try:
                entry = self._entry(name, record, body, file, length, sums, checksum)
            except (OSError, ValueError, TypeError, KeyError) as error:
                logger.error("an entry of the cache in %s is damaged, and dropped: %s", self._directory, error)
                self._delete("id = ?", (id,))
                continue
            until = self.purged.known.stored(key, entry.tags, max(compared, self.purged.swept))
            if until is None:
                self._delete("id = ?", (id,))
                continue
            variants.add(entry.fresh_only_until(until))
            if now is not None and now - used > USED_AGAIN * 10**9:
                self._db.execute("UPDATE entries SET used = ? WHERE id = ?", (now, id))
        return variants if variants.count else None

    def _entry(
        self, name: bytes, record: bytes, body: bytes | None, file: str | None, length: int, sums: bytes, checksum: int
    ) -> Entry:
        if _checksum(name, record, body or b"", sums) != checksum:
            raise ValueError("wrong checksum")
        if file is None:
            return unpack(record, body or b"")
        return unpack(record, FileBody(self._bodies / file, length, json.loads(sums)))

    def _put(self, name: bytes, identity: bytes, record: bytes, entry: Entry, size: int) -> Refusal | None:
        body = entry.body
        file: str | None = None
        inline: bytes | None = None
        if isinstance(body, FileBody):
            if self._update(name, identity, record, body, entry):
                return None
            if not body.is_there():
                return Refusal.INCOMPLETE
            file, sums = body.name, packed(body.sums)
        elif len(body) <= INLINE:
            inline, sums = body, b"[]"
        else:
            file, sums = self.new_file().name, packed(checksums(body))
        try:
            if file is not None and isinstance(body, bytes):
                (self._bodies / file).write_bytes(body)
            with transaction(self._db):
                if self.purged.catch_up():
                    raise _Interrupted
                gone = self._remove("key = ? AND variant = ?", (name, identity))
                checksum = _checksum(name, record, inline or b"", sums)
                self._db.execute(
                    "INSERT INTO entries VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (name, identity, record, inline, file, len(body), sums, checksum, size, entry.received_at,
                     time.time_ns(), packed(entry.tags), self.purged.seen),
                )  # fmt: skip
                gone += self._remove(
                    "id IN (SELECT id FROM entries WHERE key = ? ORDER BY received DESC LIMIT -1 OFFSET ?)",
                    (name, Variants.LIMIT),
                )
                gone += self._make_room()
        except BaseException:
            if file is not None:
                (self._bodies / file).unlink(missing_ok=True)
            raise
        self._unlink(gone)
        self._give_back()
        return None

    def _update(self, name: bytes, identity: bytes, record: bytes, body: FileBody, entry: Entry) -> bool:
        """New fields for a body that is stored: the file stays. False when there is no row that names it."""
        with transaction(self._db):
            if self.purged.catch_up():
                raise _Interrupted
            row = self._db.execute(
                "SELECT id, sums FROM entries WHERE file IS NOT NULL AND file = ?", (body.name,)
            ).fetchone()
            if row is None:
                return False
            id, sums = row
            gone = self._remove("key = ? AND variant = ? AND id != ?", (name, identity, id))
            self._db.execute(
                "UPDATE entries SET variant = ?, record = ?, checksum = ?, received = ?, used = ?, tags = ?,"
                " compared = ? WHERE id = ?",
                (
                    identity,
                    record,
                    _checksum(name, record, b"", sums),
                    entry.received_at,
                    time.time_ns(),
                    packed(entry.tags),
                    self.purged.seen,
                    id,
                ),
            )
        self._unlink(gone)
        return True

    def _catch_up(self) -> None:
        """Before what is stored is looked at. While a purge could not be written down, nothing is."""
        if self._unrecorded:
            self._write_down()
        self.purged.catch_up()

    def _purge(self, selectors: Sequence[Selector], stale_at: float | None, id: str) -> None:
        self._unrecorded.append((selectors, stale_at, id))
        self._write_down()

    def _write_down(self) -> None:
        with transaction(self._db):
            self.purged.catch_up()
            gone: list[str] = []
            for selectors, stale_at, id in self._unrecorded:
                self.purged.write(selectors, stale_at, id)
                keys = [packed(what) for _, what in selectors if isinstance(what, tuple)]
                for name in keys:
                    if stale_at is None:
                        gone += self._remove("key = ?", (name,))
                    else:
                        rows = self._db.execute("SELECT id FROM entries WHERE key = ?", (name,)).fetchall()
                        for (row,) in rows:
                            self._age(row, stale_at)
        self._unrecorded = []
        self._unlink(gone)

    def sweep(self) -> bool:
        """Compare some more of the rows with what was purged, and remove what is to go; True when there are more."""
        return self._guarded(self._sweep_on, False)

    def _sweep_on(self) -> bool:
        self._catch_up()
        purged = self.purged
        if self._swept_to is None:
            if purged.swept >= purged.known.latest:
                return False
            self._swept_to = purged.seen, -1
        moment, last = self._swept_to
        with transaction(self._db):
            purged.catch_up()
            rows = self._db.execute(
                "SELECT id, key, tags, compared FROM entries WHERE id > ? ORDER BY id LIMIT ?", (last, STEP)
            ).fetchall()
            gone: list[str] = []
            for id, name, tags, compared in rows:
                until = purged.known.stored(key_of(name), json.loads(tags), max(compared, purged.swept))
                if until is None:
                    gone += self._remove("id = ?", (id,))
                elif until != inf:
                    self._age(id, until)
            if not rows:
                purged.all_compared(moment)
        self._swept_to = (moment, rows[-1][0]) if rows else None
        self._unlink(gone)
        self._give_back()
        return True

    def _age(self, id: int, moment: float) -> None:
        """A row's entry is fresh no longer than until then."""
        name, record, body, sums, checksum = self._db.execute(
            "SELECT key, record, body, sums, checksum FROM entries WHERE id = ?", (id,)
        ).fetchone()
        if checksum != _checksum(name, record, body or b"", sums):
            return  # damaged, which is found when it is read
        record = pack(unpack(record, b"").fresh_only_until(moment))
        checksum = _checksum(name, record, body or b"", sums)
        self._db.execute("UPDATE entries SET record = ?, checksum = ? WHERE id = ?", (record, checksum, id))

    def _make_room(self) -> list[str]:
        """The least recently used are removed until the rest fits."""
        gone: list[str] = []
        while self._db.execute("SELECT size FROM total").fetchone()[0] > self.max_size:
            gone += self._remove("id IN (SELECT id FROM entries ORDER BY used, id LIMIT 1)", ())
        return gone

    def _give_back(self) -> None:
        """Pages that the database does not need any more, when there are many."""
        (free,), (pages,) = (self._db.execute(f"PRAGMA {each}_count").fetchone() for each in ("freelist", "page"))
        if free > max(FREE_PAGES, pages // 10):
            # A script, as `execute` would take one step of many.
            self._db.executescript(f"PRAGMA incremental_vacuum({free - FREE_PAGES // 2}); PRAGMA wal_checkpoint;")

    def _delete(self, condition: str, arguments: tuple[Any, ...]) -> None:
        with transaction(self._db):
            gone = self._remove(condition, arguments)
        self._unlink(gone)

    def _remove(self, condition: str, arguments: tuple[Any, ...]) -> list[str]:
        """Rows; the names of their files, to be removed when that is certain."""
        rows = self._db.execute(f"DELETE FROM entries WHERE {condition} RETURNING file", arguments).fetchall()
        return [file for (file,) in rows if file is not None]

    def _unlink(self, files: Iterable[str]) -> None:
        for file in files:
            (self._bodies / file).unlink(missing_ok=True)

    def _guarded(self, work: Callable[[], T], otherwise: U) -> T | U:
        try:
            with suppress(_Interrupted):
                return work()
        except OSError as error:
            self._complain(error)
        except sqlite3.Error as error:
            if is_outside(error):
                self._complain(error)
                return otherwise
            try:
                self._start_anew(error)
            except (OSError, sqlite3.Error) as again:
                self._complain(again)
        return otherwise

    def _complain(self, error: OSError | sqlite3.Error) -> None:
        """Now and then: while a disk is full, each entry fails."""
        now = time.monotonic()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET
            logger.error("cache in %s: %s", self._directory, error)


class _Interrupted(Exception):
    """Something was purged while an entry was on its way in: it is not written."""


def _checksum(name: bytes, record: bytes, body: bytes, sums: bytes) -> int:
    return crc32(sums, crc32(body, crc32(record, crc32(name))))
