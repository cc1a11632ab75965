"""Streams and futures that the host reads, on asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

from proxy.component.handles import trap
from proxy.component.tasks.buffer import Elements, HostSink
from proxy.component.tasks.scheduler import Scheduler
from proxy.component.tasks.stream import CopyResult, Reclaim, SharedFuture, SharedStream
from proxy.component.types import U8


class _Reader:
    """The readable end, in the host's hands. Fails with what stopped the guest that writes."""

    def __init__(self, shared: SharedStream | SharedFuture) -> None:
        self._shared = shared
        self._scheduler: Scheduler = shared.scheduler
        self._waiting: asyncio.Future[Any] | None = None
        self._error: BaseException | None = None
        self._scheduler.externals[self] = None

    async def _copy(self, sink: HostSink) -> CopyResult:
        if self._error is not None:
            raise self._error
        self._scheduler.renew()
        waiting = self._waiting = asyncio.get_running_loop().create_future()

        def on_copy(reclaim: Reclaim) -> None:
            reclaim()
            on_copy_done(CopyResult.COMPLETED)

        def on_copy_done(result: CopyResult) -> None:
            if not waiting.done():
                waiting.set_result(result)

        self._shared.read(self, sink, on_copy, on_copy_done)
        self._scheduler.go_on()
        if not waiting.done() and not self._scheduler.busy and not self._scheduler.running:
            self._waiting = None
            self._shared.cancel()
            raise trap(f"nobody is left who could write the {self._shared.what}")
        try:
            result: CopyResult = await waiting
            return result
        except asyncio.CancelledError:
            if self._error is None and waiting.cancelled() and sink.elements is None:
                self._shared.cancel()
            raise
        finally:
            self._waiting = None

    def fail(self, error: BaseException) -> None:
        self._error = error
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)

    @property
    def stuck(self) -> bool:
        """Whether it waits for a guest none of whose tasks runs any more."""
        return self._waiting is not None and not self._scheduler.busy

    def drop(self) -> None:
        if self._scheduler.externals.pop(self, self) is None and self._shared.drop():
            self._scheduler.wake()


class StreamReader(_Reader):
    async def read(self, limit: int) -> Elements:
        """The next elements, at most so many: bytes for u8, else a list. Empty at the end."""
        empty = b"" if self._shared.kind == U8 else []
        sink = HostSink(limit)
        while sink.elements is None:
            if await self._copy(sink) is not CopyResult.COMPLETED:
                self.drop()
                return empty
        return sink.elements


class FutureReader(_Reader):
    async def read(self) -> Any:
        sink = HostSink(1)
        await self._copy(sink)
        self.drop()
        return sink.elements[0] if isinstance(sink.elements, list) else sink.elements
