"""How much longer a guest may compute."""

from __future__ import annotations


class Allowance:
    """`limit` seconds of the processor, all of them again with whatever is new from outside; and while a guest waits it
    gets back as much as it waits. So one that goes on by itself, from timer to timer, is stopped as one that never
    waits. `now` is in seconds of a clock on the wall."""

    __slots__ = ("_limit", "_resting_since", "_spent")

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._spent = 0.0
        self._resting_since: float | None = None

    def left(self, now: float) -> float:
        """What it may spend if it goes on now; nothing if that is not above zero."""
        if self._resting_since is not None:
            self._spent = max(0.0, self._spent - (now - self._resting_since))
            self._resting_since = None
        return self._limit - self._spent

    def spend(self, seconds: float) -> None:
        self._spent += seconds

    def rest(self, now: float) -> None:
        """It has nothing to do until something happens."""
        self._resting_since = now

    def renew(self) -> None:
        self._spent = 0.0
