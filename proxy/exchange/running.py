"""A coroutine that runs in callbacks: at once until it first waits, then whenever what it waited for is there.

That is what a task does. But a task takes a turn of the event loop to begin and another one to tell of its end, and an
exchange waits once or twice in all. So the connections of clients run their exchanges like this.

There is no current task in such a coroutine, so `asyncio.timeout` and its like cannot be used in a stage: the deadlines
of an exchange are looked at from time to time by the connections on both sides of it, which cancel it or fail what
it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from proxy.exchange.message import Response

Ended = Callable[[BaseException | None], None]
"""Told once that a coroutine has ended, after it had waited, and by what exception, if by one."""

_OVER: Final = object()


def run(coroutine: Coroutine[Any, Any, None], ended: Ended) -> Running | None:
    """Begins it. None: it has ended already, and `ended` is not called; what it raises then, this raises."""
    steps = coroutine.__await__()
    waits_for = _next(steps)
    if waits_for is _OVER:
        return None
    running = Running(steps, ended)
    running._wait(waits_for)
    return running


def _next(steps: Generator[Any, None, None]) -> Any:
    """What the coroutine waits for next. _OVER: it has ended. To catch the StopIteration that tells of the end costs
    compiled code more than the rest of this module; `for` never sees it."""
    for waits_for in steps:
        return waits_for
    return _OVER


class Running:
    """A coroutine that waits."""

    __slots__ = ("_cancelled", "_ended", "_steps", "_waits_for")

    def __init__(self, steps: Generator[Any, None, None], ended: Ended) -> None:
        self._steps = steps
        self._ended = ended
        self._waits_for: asyncio.Future[Any] | Answer | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """It gets a CancelledError where it waits, soon; if it is just running, where it waits next."""
        if self._waits_for is None or not self._waits_for.cancel():
            self._cancelled = True

    def _wait(self, waits_for: Answer | asyncio.Future[Any] | None) -> None:
        """What a coroutine yields is an answer or another future, or None, which is to go on in the next turn
        (asyncio.sleep)."""
        if waits_for is None:
            asyncio.get_running_loop().call_soon(self._wake, None)
            return
        self._waits_for = waits_for
        if isinstance(waits_for, Answer):
            waits_for._running = self
        else:
            waits_for._asyncio_future_blocking = False  # how asyncio knows that it was taken from the coroutine
            waits_for.add_done_callback(self._wake)
        if self._cancelled and waits_for.cancel():
            self._cancelled = False

    def _wake(self, waited_for: object) -> None:
        self._waits_for = None
        try:
            waits_for = self._interrupted() if self._cancelled else _next(self._steps)
        except (KeyboardInterrupt, SystemExit) as end:
            self._ended(end)
            raise
        except BaseException as error:
            self._ended(error)
            return
        if waits_for is _OVER:
            self._ended(None)
        else:
            self._wait(waits_for)

    def _interrupted(self) -> Any:
        """`_next`, with a CancelledError where it waits."""
        self._cancelled = False
        try:
            return self._steps.throw(asyncio.CancelledError())
        except StopIteration:
            return _OVER


class Answer:
    """What a future is, for a response. But a coroutine that is `Running` and waits for it goes on within `set_result`:
    whoever calls that must be ready for all that the exchange may do. After all else, and in a task, it goes on in the
    next turn.
    """

    __slots__ = ("_asyncio_future_blocking", "_callbacks", "_error", "_loop", "_response", "_running")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._response: Response | None = None
        self._error: BaseException | None = None
        self._running: Running | None = None
        self._callbacks: list[tuple[Callable[[Answer], object], Context | None]] | None = None
        self._asyncio_future_blocking = False  # having it makes this a future for asyncio

    def done(self) -> bool:
        return self._response is not None or self._error is not None

    def set_result(self, response: Response) -> None:
        self._response = response
        running, self._running = self._running, None
        if running is not None:
            running._wake(self)
        else:
            self._tell()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._tell()

    # What asyncio calls, and `await`.

    def __await__(self) -> Generator[Answer, None, Response]:
        if not self.done():
            self._asyncio_future_blocking = True
            yield self
        return self.result()

    def result(self) -> Response:
        if self._response is not None:
            return self._response
        assert self._error is not None
        raise self._error

    def cancel(self, msg: object = None) -> bool:
        if self.done():
            return False
        self.set_exception(asyncio.CancelledError())
        return True

    def add_done_callback(self, callback: Callable[[Answer], object], *, context: Context | None = None) -> None:
        if self.done():
            self._loop.call_soon(callback, self, context=context)
        elif self._callbacks is None:
            self._callbacks = [(callback, context)]
        else:
            self._callbacks.append((callback, context))

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def _tell(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            self._loop.call_soon(running._wake, self)
        for callback, context in self._callbacks or ():
            self._loop.call_soon(callback, self, context=context)
        self._callbacks = None
