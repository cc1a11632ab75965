"""A coroutine that runs in callbacks: at once until it first waits, then whenever what it waited for is there.

That is what a task does. But a task takes a turn of the event loop to begin and another one to tell of its end, and an
exchange waits once or twice in all. So the connections of clients run their exchanges like this.

There is no current task in such a coroutine, so `asyncio.timeout` and its like cannot be used in a stage: the deadlines
of an exchange are looked at from time to time by the connections on both sides of it, which cancel it or fail what
it waits for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Ended = Callable[[BaseException | None], None]
"""Told once that a coroutine has ended, after it had waited, and by what exception, if by one."""


def run(coroutine: Coroutine[Any, Any, None], ended: Ended) -> Running | None:
    """Begins it. None: it has ended already, and `ended` is not called; what it raises then, this raises."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    running = Running(coroutine, ended)
    running._wait(waits_for)
    return running


class Running:
    """A coroutine that waits."""

    __slots__ = ("_cancelled", "_coroutine", "_ended", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None], ended: Ended) -> None:
        self._coroutine = coroutine
        self._ended = ended
        self._waits_for: asyncio.Future[Any] | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """It gets a CancelledError where it waits, soon; if it is just running, where it waits next."""
        if self._waits_for is None or not self._waits_for.cancel():
            self._cancelled = True

    def _wait(self, waits_for: asyncio.Future[Any] | None) -> None:
        """What a coroutine yields is a future, or None, which is to go on in the next turn (asyncio.sleep)."""
        if waits_for is None:
            asyncio.get_running_loop().call_soon(self._wake, None)
            return
        self._waits_for = waits_for
        waits_for._asyncio_future_blocking = False  # how asyncio knows that somebody has taken it from the coroutine
        waits_for.add_done_callback(self._wake)
        if self._cancelled and waits_for.cancel():
            self._cancelled = False

    def _wake(self, waited_for: asyncio.Future[Any] | None) -> None:
        self._waits_for = None
        try:
            if self._cancelled:
                self._cancelled = False
                waits_for = self._coroutine.throw(asyncio.CancelledError())
            else:
                waits_for = self._coroutine.send(None)
        except StopIteration:
            self._ended(None)
        except (KeyboardInterrupt, SystemExit) as end:
            self._ended(end)
            raise
        except BaseException as error:
            self._ended(error)
        else:
            self._wait(waits_for)
