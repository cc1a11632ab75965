"""Streams and futures that the host writes, on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from proxy.component.tasks.buffer import Buffer, Elements, HostSource
from proxy.component.tasks.host import failed
from proxy.component.tasks.scheduler import Scheduler
from proxy.component.tasks.stream import CANCELLED, COMPLETED, DROPPED, CopyResult, Party
from proxy.component.types import ValueType
from proxy.exchange.eager import start


class Source:
    """Where the elements of a stream come from: bytes, or a list; empty when there are no more."""

    def poll(self) -> Elements | None:
        """The next ones, if they are there at once. None: `read` is to be asked."""
        return None

    async def read(self) -> Elements:
        """The next ones, when they are there."""
        raise NotImplementedError

    def close(self) -> None:
        """No more are wanted."""


class HostReadable:
    """What guests read from the host. `attach` says which instance's guests, and of what type, when it is given to
    one."""

    __slots__ = ("_buffer", "_job", "_party", "_scheduler", "kind")

    def __init__(self) -> None:
        self.kind: ValueType | None = None
        self._buffer: Buffer | None = None
        self._party: Party | None = None
        self._scheduler: Scheduler | None = None
        self._job: asyncio.Task[Any] | None = None

    def attach(self, scheduler: Scheduler, kind: ValueType | None) -> None:
        self._scheduler = scheduler
        self.kind = kind
        scheduler.given[self] = None

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Gets what is to be read next, at once if it is there."""
        try:
            begun = start(work)
        except BaseException as error:
            raise failed(error) from error
        if begun is not None:
            self._job = begun
            self._job.add_done_callback(self._arrived)

    def _read(self, buffer: Buffer, party: Party, *, there: bool) -> None:
        """`there`: what is read, else it is waited for."""
        self._buffer, self._party = buffer, party
        if there:
            self._end(self._fill())
        else:
            assert self._scheduler is not None
            self._scheduler.externals[self] = None

    def _arrived(self, job: asyncio.Task[Any]) -> None:
        self._job = None
        error = None if job.cancelled() else job.exception()
        scheduler = self._scheduler
        assert scheduler is not None
        if self not in scheduler.externals and self._buffer is None:
            return
        scheduler.complete(lambda: self._deliver(error))

    def _deliver(self, error: BaseException | None) -> None:
        if error is not None:
            raise failed(error) from error
        if self._party is not None:
            self._end(self._fill())

    def _fill(self) -> CopyResult:
        """Puts what there is into the pending buffer."""
        raise NotImplementedError

    def _end(self, result: CopyResult) -> None:
        party, self._party, self._buffer = self._party, None, None
        assert self._scheduler is not None
        assert party is not None
        self._scheduler.externals.pop(self, None)
        party.on_copy_done(result)

    def leave(self) -> None:
        if self._scheduler is not None:
            self._scheduler.given.pop(self, None)

    def is_pending(self, buffer: Buffer) -> bool:
        return self._buffer is buffer

    def cancel(self) -> None:
        self._end(CANCELLED)

    def fail(self, error: BaseException) -> None:
        self.drop()

    def drop(self) -> None:
        self._party = self._buffer = None
        if self._scheduler is not None:
            self._scheduler.externals.pop(self, None)
            self._scheduler.given.pop(self, None)
        if self._job is not None:
            self._job.cancel()


class HostStream(HostReadable):
    """A stream of what a source gives. What a guest has not taken yet of it waits here: one piece of the source's."""

    __slots__ = ("_kept", "_over", "source")

    def __init__(self, source: Source) -> None:
        self.kind: ValueType | None = None
        self._buffer: Buffer | None = None
        self._party: Party | None = None
        self._scheduler: Scheduler | None = None
        self._job: asyncio.Task[Any] | None = None
        self.source = source
        self._kept: HostSource | None = None
        self._over = False

    def read(self, reader: object, buffer: Buffer, party: Party) -> None:
        if self._kept is None and not self._over and self._job is None:
            elements = self.source.poll()
            if elements is None:
                self._begin(self._pull())
            else:
                self._take(elements)
        self._read(buffer, party, there=self._kept is not None or self._over)

    async def _pull(self) -> None:
        elements = self.source.poll()
        self._take(await self.source.read() if elements is None else elements)

    def _take(self, elements: Elements) -> None:
        if elements:
            self._kept = HostSource(elements, len(elements))
            if self._scheduler is not None:
                self._scheduler.renew()
        else:
            self._over = True

    def _fill(self) -> CopyResult:
        buffer, kept = self._buffer, self._kept
        assert buffer is not None
        if kept is None:
            return DROPPED
        if buffer.remain:
            count = min(buffer.remain, kept.remain)
            buffer.write(kept.read(count), count)
            if not kept.remain:
                self._kept = None
        return COMPLETED

    @property
    def untouched(self) -> bool:
        """Whether nothing has been read of it, so that its source can stand for it."""
        return self._kept is None and self._job is None and not self._over

    async def take(self) -> Elements:
        """The next elements, for the host that has got it back; empty at the end."""
        if self._job is not None:
            await asyncio.wait([self._job])
        if self._kept is None and not self._over:
            await self._pull()
        kept, self._kept = self._kept, None
        return b"" if kept is None else bytes(kept.read(kept.remain))

    def drop(self) -> None:
        super().drop()
        self.source.close()


class HostFuture(HostReadable):
    """A future of the host's. `awaitable` is begun when it is first read."""

    __slots__ = ("_awaitable", "_value")

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        super().__init__()
        self._awaitable: Awaitable[Any] | None = awaitable
        self._value: list[Any] = []

    def read(self, reader: object, buffer: Buffer, party: Party) -> None:
        if not self._value and self._job is None:
            self._begin(self._wait())
        self._read(buffer, party, there=bool(self._value))

    async def _wait(self) -> None:
        awaitable, self._awaitable = self._awaitable, None
        assert awaitable is not None
        self._value.append(await awaitable)

    async def take(self) -> Any:
        """The value, for the host that has got it back."""
        if self._job is not None:
            await asyncio.wait([self._job])
        if not self._value:
            await self._wait()
        return self._value[0]

    def _fill(self) -> CopyResult:
        assert self._buffer is not None
        self._buffer.write(self._value, 1)
        return COMPLETED

    def drop(self) -> None:
        super().drop()
        close = getattr(self._awaitable, "close", None) or getattr(self._awaitable, "cancel", None)
        self._awaitable = None
        if close is not None:
            close()
