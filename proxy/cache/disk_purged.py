"""What was purged, written down beside what is stored on disk: for those that share it, and for after a restart.

Moments are counted in the database, so they are in one order for all processes. A row of an entry carries the moment
it was last compared with what is written here.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from proxy.cache.disk_record import key_of, packed
from proxy.cache.purged import REMEMBERED, Purged, Selector

SCHEMA = """
CREATE TABLE IF NOT EXISTS purged (
    kind TEXT NOT NULL, what BLOB NOT NULL, hard INTEGER NOT NULL, soft INTEGER NOT NULL, stale_at REAL,
    id TEXT NOT NULL, moment INTEGER NOT NULL, PRIMARY KEY (kind, what)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_moment ON purged (moment);
CREATE INDEX IF NOT EXISTS by_purge ON purged (id);
CREATE TABLE IF NOT EXISTS clock (moment INTEGER NOT NULL, swept INTEGER NOT NULL, forgotten INTEGER NOT NULL);
INSERT INTO clock SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT * FROM clock);
"""


_WRITE = """
INSERT INTO purged VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
    hard = max(hard, excluded.hard), soft = max(soft, excluded.soft), stale_at = coalesce(excluded.stale_at, stale_at),
    id = excluded.id, moment = excluded.moment
"""

FORGET_EVERY = 512
"""Purges; finding those that are too many costs as much as there are."""


class Record(NamedTuple):
    """One purge of one selector, by whichever process. stale_at: None when it was hard."""

    moment: int
    selector: Selector
    stale_at: float | None
    id: str


class DiskPurged:
    """That of one database, as this process knows it. seen: the moment up to which `known` has what is written down.
    swept: up to which all rows have been compared with it. foreign: what others have written down, until somebody takes
    it. What writes is to be called within a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.known = Purged()
        self.seen = self.swept = 0
        self.foreign: list[Record] = []

    def begin(self, moment: int) -> None:
        """In a new database, go on counting from there."""
        self._db.execute("UPDATE clock SET moment = max(moment, ?)", (moment,))

    def catch_up(self) -> bool:
        """Read what has been written down by others; whether anything has been."""
        moment, self.swept, forgotten = self._db.execute("SELECT moment, swept, forgotten FROM clock").fetchone()
        if moment == self.seen:
            return False
        rows = self._db.execute(
            "SELECT kind, what, hard, soft, stale_at, id FROM purged WHERE moment > ?", (self.seen,)
        ).fetchall()
        records: list[Record] = []
        for kind, what, hard, soft, stale_at, id in rows:
            for at, stale in ((hard, None), (soft, stale_at)):
                if at > self.seen:
                    records.append(Record(at, _selector(kind, what), stale, id))
        records.sort(key=lambda record: record.moment)
        for at, selector, stale_at, _ in records:
            self.known.add([selector], stale_at, at)
        self.known.forget(forgotten)
        self.known.clock = self.seen = moment
        self.foreign += records
        return True

    def write(self, selectors: Sequence[Selector], stale_at: float | None, id: str) -> None:
        """After `catch_up`. What has that id already is not written again."""
        if id and self._db.execute("SELECT 1 FROM purged WHERE id = ? LIMIT 1", (id,)).fetchone():
            return
        moment = self.seen + 1
        for kind, what in selectors:
            hard, soft = (moment, 0) if stale_at is None else (0, moment)
            self._db.execute(_WRITE, (kind, packed(what), hard, soft, stale_at, id, moment))
        self._db.execute("UPDATE clock SET moment = ?", (moment,))
        self.known.add(selectors, stale_at, moment)
        self.seen = moment
        if moment % FORGET_EVERY == 0:
            self._forget("kind = 'url'")

    def all_compared(self, moment: int) -> None:
        """All rows have been compared with what was written down up to that moment."""
        self._db.execute("UPDATE clock SET swept = max(swept, ?)", (moment,))
        self.swept = max(self.swept, moment)
        self._forget("kind != 'url' AND moment <= (SELECT swept FROM clock)")
        self.known.compared(moment)

    def _forget(self, condition: str) -> None:
        """All but so many of the last ones."""
        row = self._db.execute(
            f"SELECT moment FROM purged WHERE {condition} ORDER BY moment DESC LIMIT 1 OFFSET ?", (REMEMBERED,)
        ).fetchone()
        if row is not None:
            self._db.execute(f"DELETE FROM purged WHERE {condition} AND moment <= ?", row)
            self._db.execute("UPDATE clock SET forgotten = max(forgotten, ?)", row)


def _selector(kind: str, what: bytes) -> Selector:
    return (kind, key_of(what)) if kind == "url" else (kind, json.loads(what))
