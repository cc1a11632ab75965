"""Run a coroutine at once, and make it a task only if it waits.

Every stage is an `async def`, yet an exchange with nothing to wait for (a cache hit) costs no task and is
answered before `data_received` returns. So `start` runs the coroutine to its first real suspension. Done by
then: the result. Otherwise it hands the suspended coroutine to a task, which first yields on whatever the
coroutine was waiting for.

There is no current task until the first suspension, so `asyncio.timeout` cannot be entered before it: the
deadlines of an exchange are timers that cancel its task.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


def start(coroutine: Coroutine[Any, Any, T]) -> T | asyncio.Task[T]:
    """The result, if the coroutine ended without waiting (or the exception it raised); else its task."""
    try:
        waiting_for = coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    return asyncio.get_running_loop().create_task(_finish(coroutine, waiting_for))


async def _finish(coroutine: Coroutine[Any, Any, T], waiting_for: Any) -> T:
    return await _resume(coroutine, waiting_for)


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, T], waiting_for: Any) -> Generator[Any, Any, T]:
    while True:
        try:
            value = yield waiting_for
        except BaseException as error:
            step: Callable[[Any], Any] = coroutine.throw
            argument: Any = error
        else:
            step = coroutine.send
            argument = value
        try:
            waiting_for = step(argument)
        except StopIteration as stop:
            result: T = stop.value
            return result
