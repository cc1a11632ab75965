"""Time limits of calls."""

from __future__ import annotations


class Deadline:
    """A time limit, in `ticks` of the ticker's period as it is now."""

    __slots__ = ("__weakref__", "seconds", "ticks")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ticks = 0
