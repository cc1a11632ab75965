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
        sink = self._sink or self._begin(limit)
        if self._result is None:
            if sink.elements is None:
                self._check_hope()
                return None
            self._shared.reclaim()
            self._result = COMPLETED
        self._sink = None
        return sink

    def _check_hope(self) -> None:
        if self._error is not None:
            raise self._error
        if not self._scheduler.busy and not self._scheduler.running:
            self._sink = None
            self._shared.cancel()
            raise trap(f"nobody is left who could write the {self._shared.what}")

    def _begin(self, limit: int) -> HostSink:
        sink = self.begin(limit)
        if self._result is not DROPPED:  # else there is nobody at the other end, who could have something to do now
            self._scheduler.go_on()
        return sink

    def begin(self, limit: int) -> HostSink:
        """Reads ahead: what the guest that is on the stack writes from now on is taken at once, up to so many elements
        in all."""
        if self._error is not None:
            raise self._error
        self._scheduler.renew()
        self._sink = sink = HostSink(limit)
        self._result = None
        self._shared.read(self, sink, self)
        return sink

    def on_copy(self, shared: Shared) -> None:
        """More may follow until somebody asks for it."""
        if self._waiting is not None:
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
        sink = self._sink
        return sink is not None and sink.elements is None and self._result is None and not self._scheduler.busy

    def drop(self) -> None:
        if self._scheduler.externals.pop(self, self) is None and self._shared.drop():
            self._scheduler.wake()


class StreamReader(_Reader):
    __slots__ = ()

    def poll(self, limit: int) -> Elements | None:
        """The next elements, as `read` gives them, if they are there at once. None: `read` waits for them."""
        while (sink := self._poll(limit)) is not None:
            over = self._result is not COMPLETED
            if over:
                self.drop()
            if sink.elements is not None:
                return sink.taken()
            if over:
                return b"" if self._shared.kind is U8 else []
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
