"""Which keys were deleted since when, so that what was asked for before is not stored, or used, after."""

from __future__ import annotations

from proxy.cache.key import Key

REMEMBERED = 10_000
"""Deletions remembered by key. What was asked for before one that is forgotten counts as deleted."""


class Deletions:
    """Those of one store."""

    def __init__(self) -> None:
        self._clock = 0
        self._deleted: dict[Key, int] = {}
        self._forgotten = 0

    def mark(self) -> int:
        """This moment."""
        return self._clock

    def add(self, key: Key) -> None:
        self._clock += 1
        self._deleted.pop(key, None)
        self._deleted[key] = self._clock
        if len(self._deleted) > REMEMBERED:
            self._forgotten = self._deleted.pop(next(iter(self._deleted)))

    def is_current(self, key: Key, mark: int) -> bool:
        """The key was not deleted since that moment."""
        return self._deleted.get(key, self._forgotten) <= mark
