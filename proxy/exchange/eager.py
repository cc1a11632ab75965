"""Run a coroutine at once, and make it a task only if it waits.

For work that others than its exchange may wait for, and that often is over at once: a fetch of a cache, a call of a
guest. `start` runs the coroutine to its first real suspension. Done by then: the result. Otherwise it hands the
suspended coroutine to a task, which first yields on whatever the coroutine was waiting for. (Exchanges themselves are
`running`.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def start(coroutine: Coroutine[Any, Any, T]) -> T | asyncio.Task[T]:
    """The result, if the coroutine ended without waiting (or the exception it raised); else its task."""
    try:
        waiting_for = coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    return asyncio.get_running_loop().create_task(_Suspended(coroutine, waiting_for))


class _Suspended(Coroutine[Any, Any, T]):
    """A coroutine that has already yielded once, as one that is about to.

    Not a wrapping `async def`: a task cancelled before its first step never runs that, and the coroutine within
    would not hear of it.
    """

    __slots__ = ("_coroutine", "_waiting_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waiting_for: Any) -> None:
        self._coroutine = coroutine
        self._waiting_for: tuple[Any] | None = (waiting_for,)

    def send(self, value: Any) -> Any:
        if self._waiting_for is None:
            return self._coroutine.send(value)
        (waiting_for,) = self._waiting_for
        self._waiting_for = None
        return waiting_for

    def throw(self, *error: Any) -> Any:
        if self._waiting_for is not None:
            (waiting_for,) = self._waiting_for
            self._waiting_for = None
            if asyncio.isfuture(waiting_for):
                waiting_for.cancel()  # as its task would have, had it known of it
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        raise TypeError("only a task runs this")
