"""The clock of time limits: a thread that advances wasmtime's epoch while guests run.

A guest's deadline is a number of ticks. The period is half of the shortest time limit, so a call ends after its limit
and before twice that. On a machine with other work it may take four times as long: a period in which this process
hardly had the processor does not count. When no guest has been called for so long that none can be running any more,
the thread sleeps.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final

from proxy.sandbox.deadline import Deadline

MIN_PERIOD: Final = 0.001
MAX_PERIOD: Final = 0.025
IDLE_TICKS = 100
"""It goes on for so long at least: falling asleep and waking up are not for between two requests."""
STARVED: Final = 3
"""So many periods in a row may not count."""


class Ticker:
    """`advance` is called once per period that counts. `running` is to be set, and `wake` called when `asleep`, before
    each call."""

    def __init__(self, advance: Callable[[], None]) -> None:
        self._advance = advance
        self._period = MAX_PERIOD
        self._patience = IDLE_TICKS
        self._deadlines: weakref.WeakSet[Deadline] = weakref.WeakSet()
        self._wake = threading.Event()
        self._closed = False
        self._spent = 0.0
        self._starved = 0
        self.running = False
        self.asleep = True
        self.epoch: object = object()
        """Another one for each period. None while it changes, and while the thread sleeps."""
        self._clock: threading.Thread | None = None

    def deadline(self, seconds: float) -> Deadline:
        """A deadline for calls of this limit. The period becomes what the shortest limit in use asks for."""
        deadline = Deadline(seconds)
        self._deadlines.add(deadline)
        shortest = min(known.seconds for known in self._deadlines)
        self._period = max(MIN_PERIOD, min(MAX_PERIOD, shortest / 2))
        for known in self._deadlines:
            known.ticks = self.ticks(known.seconds)
        # A call that began so many ticks ago has met its deadline.
        self._patience = max(IDLE_TICKS, *(known.ticks for known in self._deadlines))
        return deadline

    def ticks(self, seconds: float) -> int:
        """So many periods take at least this long. The tick in progress may be nearly over, hence one more."""
        return max(1, math.ceil(seconds / self._period)) + 1

    def wake(self) -> None:
        if self._clock is None:
            self._clock = threading.Thread(target=self._run, name="guest ticker", daemon=True)
            self._clock.start()
        self.asleep = False
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        if self._clock is not None:
            self._clock.join()

    def _run(self) -> None:
        idle = 0
        while not self._closed:
            time.sleep(self._period)
            if self._closed:
                return
            if not self.counts(time.process_time()):
                continue
            self.tick()
            idle = 0 if self.running else idle + 1
            self.running = False
            if idle > self._patience:
                self._rest()
                idle = 0

    def counts(self, spent: float) -> bool:
        """Whether a period does that is over now. spent: seconds of the processor's time that this process has had."""
        if spent - self._spent < self._period / 2 and self._starved < STARVED:
            self._starved += 1
            return False
        self._spent, self._starved = spent, 0
        return True

    def tick(self) -> None:
        """A period that counts is over."""
        self.epoch = None
        self._advance()
        self.epoch = object()

    def _rest(self) -> None:
        self._wake.clear()
        self.asleep = True
        self.epoch = None
        # A call that began between the two lines above has not seen `asleep`: look once more.
        if not self.running and not self._closed:
            self._wake.wait()
        self.asleep = False
        self.epoch = object()
