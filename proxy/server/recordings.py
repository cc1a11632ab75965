"""Exchanges recorded in every worker, as one stream."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from proxy.exchange import Pipe
from proxy.server.channel import Message, Refused
from proxy.server.recorder import Wanted


class _Stream:
    def __init__(self, wanted: Wanted, close: Callable[[], None]) -> None:
        self.wanted = wanted
        self.taken = asyncio.Event()
        """Whoever reads is not behind: workers wait for that, and leave out what they cannot keep meanwhile."""
        self.taken.set()
        self.pipe = Pipe(pause=self.taken.clear, resume=self.taken.set, on_close=close)


class Recordings:
    """The streams that are being read. tell: has every worker that serves do something."""

    def __init__(self, tell: Callable[[Message], Awaitable[object]]) -> None:
        self._tell = tell
        self._streams: dict[int, _Stream] = {}
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[object]] = set()

    async def listen(self, wanted: Wanted) -> Pipe:
        """The exchanges that end from now on, until it is closed."""
        number = next(self._numbers)
        stream = self._streams[number] = _Stream(wanted, lambda: self._over(number))
        await self._tell(_order(number, wanted))
        return stream.pipe

    def orders(self) -> list[Message]:
        """For a worker that comes later."""
        return [_order(number, stream.wanted) for number, stream in self._streams.items()]

    async def heard(self, message: Message) -> Message:
        """A worker has something for a stream. Raises Refused when nobody reads it any more."""
        stream = self._streams.get(message["number"])
        if stream is None:
            raise Refused("nobody reads it any more")
        stream.pipe.feed(message["lines"].encode())
        await stream.taken.wait()
        return {}

    def _over(self, number: int) -> None:
        self._streams.pop(number).taken.set()
        task: asyncio.Task[object] = asyncio.ensure_future(self._tell({"do": "stop recording", "number": number}))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _order(number: int, wanted: Wanted) -> Message:
    hidden = sorted(wanted.hidden)
    return {"do": "record", "number": number, "share": wanted.share, "route": wanted.route, "hidden": hidden}
