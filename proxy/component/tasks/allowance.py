"""How much longer a guest may compute."""

from __future__ import annotations

from time import thread_time

SHORT = 0.001
"""Seconds that are reckoned by the clock on the wall."""


class Allowance:
    """`limit` seconds of the processor, all of them again with whatever is new from outside; and while a guest waits it
    gets back as much as it waits. So one that goes on by itself, from timer to timer, is stopped as one that never
    waits. `now` is in seconds of a clock on the wall."""

    __slots__ = ("_limit", "_resting_since", "_spent", "whole")

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._spent = 0.0
        self._resting_since: float | None = None
        self.whole = True
        """Nothing of it is spent."""

    def left(self, now: float) -> float:
        """What it may spend if it goes on now; nothing if that is not above zero."""
        if self._resting_since is not None:
            self._spent = max(0.0, self._spent - (now - self._resting_since))
            self._resting_since = None
        return self._limit - self._spent

    def spend(self, seconds: float) -> None:
        self.whole = False
        self._spent += seconds

    def rest(self, now: float, spent: float = 0.0) -> None:
        """It has nothing to do until something happens, and has spent that much before."""
        self.whole = False
        self._spent += spent
        self._resting_since = now

    def renew(self) -> None:
        self.whole = True
        self._spent = 0.0
        self._resting_since = None


class Stopwatch:
    """How much of the processor's time a guest takes. To ask for that is a call of the system's, which costs more than
    all the rest of entering a guest: so what is over soon is as long as it was on the wall, and how much the thread
    had used before is known to within as much."""

    __slots__ = ("_used", "due")

    def __init__(self) -> None:
        self.due = float("-inf")
        """Until then nobody has to ask: what starts by then knows well enough."""
        self._used = 0.0

    def start(self, now: float) -> None:
        if now > self.due:
            self.due, self._used = now + SHORT, thread_time()

    def took(self, since: float, now: float) -> float:
        """Seconds from `start(since)` to now."""
        on_the_wall = now - since
        return on_the_wall if on_the_wall <= SHORT else min(on_the_wall, thread_time() - self._used)
