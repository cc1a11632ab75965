"""Descriptors that run out, and what is given up for new ones."""

from __future__ import annotations

import asyncio
import logging
import os

import pytest

from proxy.downstream.descriptors import BATCH, Descriptors
from tests.downstream.wire import turn

MOST = 160
"""Descriptors there may be; the last ten are the reserve."""


class Idle:
    """So many idle connections. asked: for how many each time."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.asked: list[int] = []

    def __call__(self, most: int) -> int:
        self.asked.append(most)
        given = min(most, self.left)
        self.left -= given
        return given


class Scene:
    """A process. free: number of the lowest descriptor that is not in use."""

    def __init__(self, upstream: int, downstream: int) -> None:
        self.upstream, self.downstream = Idle(upstream), Idle(downstream)
        self.counted: list[tuple[str, int]] = []
        self.free = 0
        sources = {"upstream": self.upstream, "downstream": self.downstream}
        self.descriptors = Descriptors(sources, lambda *given: self.counted.append(given), MOST, lambda: self.free)

    async def accept(self, number: int, free: int) -> None:
        """So many clients within one turn."""
        self.free = free
        for _ in range(number):
            self.descriptors.accepted()
        await turn()

    async def look(self, free: int) -> None:
        self.free = free
        self.descriptors.look()
        await turn()


def test_connections_to_origins_go_first_and_as_many_as_come() -> None:
    async def main() -> None:
        scene = Scene(upstream=30, downstream=100)
        await scene.accept(5, free=149)
        assert scene.counted == []
        await scene.accept(3, free=150)
        assert scene.counted == [("upstream", BATCH)]
        await scene.accept(40, free=155)
        assert scene.counted[1:] == [("upstream", 30 - BATCH), ("downstream", 40 - (30 - BATCH))]

    asyncio.run(main())


def test_where_nothing_is_idle_it_is_not_looked_for_at_each_connection() -> None:
    async def main() -> None:
        scene = Scene(upstream=0, downstream=0)
        for _ in range(5):
            await scene.accept(1, free=150)
        assert scene.downstream.asked == [BATCH]
        scene.downstream.left = 1
        await scene.look(free=150)
        await scene.accept(1, free=150)
        assert scene.downstream.asked == [BATCH, BATCH]
        assert scene.downstream.left == 0

    asyncio.run(main())


def test_when_none_is_left_and_so_nobody_is_accepted_idle_ones_are_given_up_all_the_same() -> None:
    async def main() -> None:
        scene = Scene(upstream=0, downstream=100)
        await scene.look(free=154)
        assert scene.counted == []
        await scene.look(free=MOST)
        assert scene.counted == [("upstream", 0), ("downstream", BATCH)]

    asyncio.run(main())


def test_it_is_told_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        scene = Scene(upstream=1, downstream=100)
        for _ in range(3):
            await scene.accept(1, free=150)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    (line,) = caplog.messages
    assert line.startswith("hardly any of 160 file descriptors is free")
    assert line.endswith("now 1 upstream and 15 downstream")


def test_the_lowest_that_is_free_is_found() -> None:
    """Descriptors of this very process: with a limit just above what it has, they are scarce."""

    async def main() -> None:
        lowest = os.dup(0)
        os.close(lowest)
        for limit, scarce in ((lowest + 9, False), (lowest + 8, True)):
            idle = Idle(1)
            Descriptors({"idle": idle}, lambda *_: None, limit).accepted()
            await turn()
            assert bool(idle.asked) == scarce

    asyncio.run(main())
