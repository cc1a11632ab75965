"""File descriptors that run out: what is idle is given up, for new connections to be had.

Nobody says how many are left. But a new descriptor has the lowest number that is free, so when that is high, all below
it are taken. When there is none at all, the event loop turns away whoever connects, and nobody hears of it, so it must
not come to that.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

GiveUp = Callable[[int], int]
"""Close so many idle connections, or as many as there are. Returns how many."""

RESERVE = 16
"""One in so many is left for what comes at once: where there are many, that is more than wait for a listener."""

LEAST = 8
"""Descriptors in reserve where there are few."""

BATCH = 16
"""Connections given up at a time, at least: to find the oldest all have to be looked at."""

INTERVAL = 60.0
"""Seconds between two lines in the log."""


class Descriptors:
    """Of this process. sources: what gives up connections, by its name, in the order in which they are asked. limit: of
    descriptors that can be open. lowest: number of the lowest that is free, or the limit. count: is told who has given
    up how many."""

    def __init__(
        self,
        sources: Mapping[str, GiveUp],
        count: Callable[[str, int], None],
        limit: int | None = None,
        lowest: Callable[[], int] | None = None,
    ) -> None:
        self._sources = sources
        self._count = count
        self._limit = limit or resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._lowest = lowest or self._lowest_free
        reserve = max(LEAST, self._limit // RESERVE)
        self._scarce = self._limit - reserve
        self._urgent = self._limit - reserve // 2
        self._wanted = 0
        self._barren = False
        """Nothing was idle at the last look at all."""
        self._told = -INTERVAL

    def accepted(self) -> None:
        """A client has connected. Within the reserve another connection has to go for it."""
        if not self._barren and self._lowest() >= self._scarce:
            self._want(1)

    def look(self) -> None:
        """Called about every second, as others than clients take descriptors, and when there is none nobody is
        accepted."""
        self._barren = False
        if self._lowest() >= self._urgent:
            self._want(BATCH)

    def _want(self, number: int) -> None:
        if not self._wanted:
            asyncio.get_running_loop().call_soon(self._relieve)  # once for all who come in this turn
        self._wanted += number

    def _relieve(self) -> None:
        wanted, self._wanted = max(self._wanted, BATCH), 0
        given: dict[str, int] = {}
        for name, give_up in self._sources.items():
            given[name] = give_up(wanted)
            wanted -= given[name]
            self._count(name, given[name])
            if wanted <= 0:
                break
        self._barren = not any(given.values())
        self._tell(given)

    def _tell(self, given: Mapping[str, int]) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._told >= INTERVAL:
            self._told = now
            closed = (
                " and ".join(f"{number} {name}" for name, number in given.items() if number) or "none, as none is idle"
            )
            logger.warning(
                "hardly any of %d file descriptors is free (LimitNOFILE=, ulimit -Hn): idle connections are closed for "
                "new ones, now %s", self._limit, closed,
            )  # fmt: skip

    def _lowest_free(self) -> int:
        try:
            free = os.open("/", os.O_RDONLY)
        except OSError as error:
            return self._limit if error.errno in (errno.EMFILE, errno.ENFILE) else 0
        os.close(free)
        return free
