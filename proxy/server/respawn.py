"""When a worker that is gone is replaced: at once, unless its predecessors did not last either."""

from __future__ import annotations

LASTED = 10.0
"""Seconds after which the end of a worker has nothing to do with its beginning."""

LONGEST = 10.0
"""Seconds between two attempts."""


class Respawn:
    """The decision for one worker's place."""

    def __init__(self) -> None:
        self._short_lives = 0

    def delay(self, lived: float) -> float:
        """Seconds to wait before the next, after one that lived so long: 0, then 0.1, 0.2, 0.4 and so on."""
        if lived >= LASTED:
            self._short_lives = 0
        self._short_lives += 1
        return 0.0 if self._short_lives == 1 else min(LONGEST, 0.05 * 2 ** min(self._short_lives - 1, 20))
