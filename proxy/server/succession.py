"""The processes before and after this one: while one takes over from the other both serve, so what is purged in one is
purged in all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from proxy.cache.purge import BadPurge, Purge, from_json
from proxy.server.channel import Channel, Lost, Message, Refused

PATIENCE = 60.0
"""Seconds for another process to purge: its workers may have only just begun."""


class Succession:
    """carry_out: purges in this process. Raises OSError, or BadPurge when it has no such cache."""

    def __init__(self, carry_out: Callable[[Purge], Awaitable[object]]) -> None:
        self._carry_out = carry_out
        self._before: Channel | None = None
        self._after: Channel | None = None

    async def follow(self, end: socket.socket) -> None:
        """This process takes over from the one at the other end."""
        self._before = await self._channel(end, lambda: self._after)

    async def serves(self) -> None:
        """Tells that one."""
        if self._before is not None:
            with suppress(Lost, Refused):
                await self._before.ask({"do": "take over"})

    async def followed(self, end: socket.socket) -> bool:
        """Another process is to take over, and is at the other end. True when it serves; False when it is gone."""
        serves = asyncio.Event()
        channel = self._after = await self._channel(end, lambda: self._before, serves)
        waiting = [asyncio.ensure_future(each.wait()) for each in (serves, channel.lost)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in waiting:
                each.cancel()
        if not serves.is_set():
            channel.close()
        return serves.is_set()

    async def purge(self, purge: Purge) -> None:
        """In the other processes. Raises OSError when one of them could not."""
        await asyncio.gather(*(self._pass_on(purge, channel) for channel in (self._before, self._after)))

    def close(self) -> None:
        for channel in (self._before, self._after):
            if channel is not None:
                channel.close()

    async def _channel(
        self, end: socket.socket, beyond: Callable[[], Channel | None], serves: asyncio.Event | None = None
    ) -> Channel:
        """beyond: the process on the other side of this one, if any."""

        async def heard(order: Message) -> Message:
            if order["do"] == "take over" and serves is not None:
                serves.set()
            elif order["do"] == "purge":
                purge = from_json(order["purge"])
                for each in purge.by_cache():
                    with suppress(BadPurge):  # another configuration has other caches
                        await self._carry_out(each)
                await self._pass_on(purge, beyond())
            return {}

        channel = Channel(heard)
        await channel.open(end)
        return channel

    async def _pass_on(self, purge: Purge, channel: Channel | None) -> None:
        if channel is None:
            return
        try:
            await asyncio.wait_for(channel.ask({"do": "purge", "purge": purge.to_json()}), PATIENCE)
        except Lost:
            pass  # with all that it had
        except (Refused, TimeoutError) as error:
            raise OSError(f"the process that serves beside this one did not purge: {error or 'no answer'}") from error
