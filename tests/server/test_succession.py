"""Processes that take over from each other purge together: the channels between three of them, in one."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from proxy.cache.purge import BadPurge, Purge
from proxy.server.succession import Succession
from tests.downstream.wire import turn


class Process:
    """Remembers what it has purged. caches: what it has."""

    def __init__(self, *caches: str) -> None:
        self.caches = caches
        self.purged: list[tuple[str, ...]] = []
        self.broken = False
        self.succession = Succession(self._carry_out)

    async def _carry_out(self, purge: Purge) -> None:
        if self.broken:
            raise OSError("the disk is full")
        if not set(purge.caches) <= set(self.caches):
            raise BadPurge(f"there is no {purge.caches}")
        self.purged.append(purge.caches)


@asynccontextmanager
async def processes(*caches: str) -> AsyncIterator[list[Process]]:
    """Each with the caches whose names are the letters."""
    made = [Process(*each) for each in caches]
    yield made
    for each in made:
        each.succession.close()
    await turn()


async def taking_over(old: Process, new: Process) -> None:
    one, other = socket.socketpair()
    followed = asyncio.create_task(old.succession.followed(one))
    await new.succession.follow(other)
    assert not followed.done()
    await new.succession.serves()
    assert await followed


def test_whichever_is_asked_all_purge_what_they_have() -> None:
    async def main() -> None:
        async with processes("a", "ab", "b") as chain:
            await taking_over(chain[0], chain[1])
            await taking_over(chain[1], chain[2])
            for asked in chain:
                await asked.succession.purge(Purge(all=True))
                await asked.succession.purge(Purge(all=True, caches=("a", "b")))
            # The one that is asked has done it before.
            assert [each.purged for each in chain] == [
                [(), ("a",)] * 2,
                [(), ("a",), ("b",)] * 2,
                [(), ("b",)] * 2,
            ]

    asyncio.run(main())


def test_one_that_is_asked_while_its_successor_begins_waits_for_it() -> None:
    async def main() -> None:
        async with processes("a", "a") as (old, new):
            one, other = socket.socketpair()
            followed = asyncio.create_task(old.succession.followed(one))
            await turn()
            purging = asyncio.create_task(old.succession.purge(Purge(all=True)))
            await turn()
            assert not purging.done()
            await new.succession.follow(other)
            await purging
            assert new.purged == [()]
            await new.succession.serves()
            assert await followed

    asyncio.run(main())


def test_a_successor_that_comes_to_nothing_is_forgotten() -> None:
    async def main() -> None:
        async with processes("a") as (old,):
            one, other = socket.socketpair()
            followed = asyncio.create_task(old.succession.followed(one))
            other.close()
            assert not await followed
            await old.succession.purge(Purge(all=True))

    asyncio.run(main())


def test_a_failure_elsewhere_is_one() -> None:
    async def main() -> None:
        async with processes("a", "a") as (old, new):
            await taking_over(old, new)
            old.broken = True
            with pytest.raises(OSError, match="the disk is full"):
                await new.succession.purge(Purge(all=True))

    asyncio.run(main())
