"""Which keys are asked for below most often."""

from __future__ import annotations

from heapq import nlargest

from proxy.cache.key import Key

LIMIT = 2000
"""Keys counted at once. When there are more all counts are halved, and those that come to nothing go: what is asked
for once, however many of such there are, does not push out what is asked for often."""


class Missed:
    """Those of one cache stage."""

    def __init__(self) -> None:
        self._counts: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        self._counts[key] = self._counts.get(key, 0) + 1
        while len(self._counts) > LIMIT:
            self._counts = {key: count // 2 for key, count in self._counts.items() if count > 1}

    def most(self, count: int) -> list[tuple[Key, int]]:
        return nlargest(count, self._counts.items(), key=lambda each: each[1])
