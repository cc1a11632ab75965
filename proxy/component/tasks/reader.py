"""Streams and futures that the host reads, on asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.component.handles import trap
from proxy.component.tasks.buffer import Elements, HostSink
from proxy.component.tasks.scheduler import Scheduler
from proxy.component.tasks.stream import COMPLETED, DROPPED, CopyResult, Shared, SharedFuture, SharedStream
from proxy.component.types import U8


class _Reader:
    """The readable end, in the host's hands. Fails with what stopped the guest that writes."""

    __slots__ = ("_error", "_result", "_scheduler", "_shared", "_sink", "_waiting")

    def __init__(self, shared: SharedStream | SharedFuture) -> None:
        self._shared = shared
        self._scheduler: Scheduler = shared.scheduler
        self._sink: HostSink | None = None
        self._result: CopyResult | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._error: BaseException | None = None
        self._scheduler.externals[self] = None

    def _poll(self, limit: int) -> HostSink | None:
        """What was copied, if that is there at once; else the copy is pending. Lets the guest go on."""
        if self._sink is None:
            self._begin(limit)
        if self._result is None:
            if self._error is not None:
                raise self._error
            if not self._scheduler.busy and not self._scheduler.running:
                self._sink = None
                self._shared.cancel()
                raise trap(f"nobody is left who could write the {self._shared.what}")
            return None
        sink, self._sink = self._sink, None
        return sink

    def _begin(self, limit: int) -> None:
        if self._error is not None:
            raise self._error
        scheduler = self._scheduler
        scheduler.renew()
        self._sink, self._result = HostSink(limit), None
        self._shared.read(self, self._sink, self)
        if self._result is not DROPPED:  # else there is nobody at the other end, who could have something to do now
            scheduler.go_on()

    def on_copy(self, shared: Shared) -> None:
        shared.reclaim()
        self.on_copy_done(COMPLETED)

    def on_copy_done(self, result: CopyResult) -> None:
        self._result = result
        if self._waiting is not None:
            self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def _arrival(self) -> None:
        """Until the pending copy is over. Whoever is cancelled meanwhile gives it up."""
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        except asyncio.CancelledError:
            if self._error is None and self._result is None:
                self._shared.cancel()
                self._sink = None
            raise
        finally:
            self._waiting = None

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._wake()

    @property
    def stuck(self) -> bool:
        """Whether it waits for a guest none of whose tasks runs any more."""
        return self._sink is not None and self._result is None and not self._scheduler.busy

    def drop(self) -> None:
        if self._scheduler.externals.pop(self, self) is None and self._shared.drop():
            self._scheduler.wake()


class StreamReader(_Reader):
    __slots__ = ()

    def poll(self, limit: int) -> Elements | None:
        """The next elements, as `read` gives them, if they are there at once. None: `read` waits for them."""
        while (sink := self._poll(limit)) is not None:
            if self._result is not COMPLETED:
                self.drop()
                return b"" if self._shared.kind is U8 else []
            if sink.elements is not None:
                return sink.elements
        return None

    async def read(self, limit: int) -> Elements:
        """The next elements, at most so many: bytes for u8, else a list. Empty at the end."""
        while (found := self.poll(limit)) is None:
            await self._arrival()
        return found


class FutureReader(_Reader):
    __slots__ = ()

    def poll(self) -> list[Any] | None:
        """The value, in a list of its own, if it is there at once. None: `read` waits for it."""
        sink = self._poll(1)
        if sink is None:
            return None
        self.drop()
        return sink.elements if isinstance(sink.elements, list) else [sink.elements]

    async def read(self) -> Any:
        while (found := self.poll()) is None:
            await self._arrival()
        return found[0]
