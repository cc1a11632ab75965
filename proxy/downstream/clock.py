"""The time, as connections need it: cheap."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate


class Clock:
    """Monotonic seconds, and what has to be known of the wall clock, which `tick` reads about once a second.

    date, date_line: `date: …` (RFC 9110 §6.6.1), as bytes and as a line. epoch: what to add to monotonic seconds to get
    seconds since 1970.
    """

    __slots__ = ("_wall", "date", "date_line", "epoch", "monotonic")

    def __init__(self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time) -> None:
        self.monotonic = monotonic
        self._wall = wall
        self.tick()

    def tick(self) -> None:
        now = self._wall()
        self.epoch = now - self.monotonic()
        self.date_line = (b"date", formatdate(now, usegmt=True).encode())
        self.date = b": ".join(self.date_line)
