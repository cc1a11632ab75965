"""What sqlite3 leaves to be done."""

from __future__ import annotations

import sqlite3

_OUTSIDE = frozenset((
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY,
))  # fmt: skip


def is_outside(error: sqlite3.Error) -> bool:
    """It is the disk's fault, or another process's, and not that of what is in the file."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OUTSIDE


class transaction:  # noqa: N801  # used like a function
    """All of it or nothing: begun as one that writes."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def statements(script: str) -> list[str]:
    """Those of a script. `executescript` would end the transaction it is called in."""
    found: list[str] = []
    begun = ""
    for part in script.split(";"):
        begun += part + ";"
        if part.strip() and sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    return found
