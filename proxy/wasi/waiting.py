"""What a guest can wait for (wasi:io/poll), on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, Protocol, TypeVar

from proxy.exchange.eager import start

T = TypeVar("T")


class Pollable(Protocol):
    def pending(self) -> asyncio.Future[Any] | None:
        """None when it is ready, else what is done when it is worth asking again."""


async def until(*pollables: Pollable) -> None:
    """Waits for one of them to be ready."""
    while True:
        futures = [pollable.pending() for pollable in pollables]
        waiting = [future for future in futures if future is not None]
        if len(waiting) < len(futures):
            return
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


class Job(Generic[T]):
    """A coroutine that begins at once, and is a pollable until its end."""

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._task: asyncio.Task[T] | None = None
        self._error: Exception | None = None
        self._result: Any = None
        try:
            begun = start(coroutine)
        except Exception as error:
            self._error = error
            return
        if isinstance(begun, asyncio.Task):
            self._task = begun
            begun.add_done_callback(_looked_at)
        else:
            self._result = begun

    def pending(self) -> asyncio.Future[Any] | None:
        return None if self._task is None or self._task.done() else self._task

    def result(self) -> T:
        """When it is no longer pending. Raises what the coroutine raised."""
        if self._error is not None:
            raise self._error
        return self._result if self._task is None else self._task.result()

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()


def _looked_at(task: asyncio.Task[Any]) -> None:
    """An error that nobody asks for any more is none."""
    if not task.cancelled():
        task.exception()


class Timer:
    """Ready from a time on, in seconds of the event loop's clock."""

    def __init__(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = loop.create_future()
        self._handle = loop.call_later(seconds, self._ring)

    def _ring(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def pending(self) -> asyncio.Future[Any] | None:
        return None if self._future.done() else self._future

    def cancel(self) -> None:
        self._handle.cancel()
        self._ring()
