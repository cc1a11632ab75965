"""When a worker has too much to do: further requests are answered 503 at once, for those under way to end in time, and
handshakes do not begin."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable

from proxy import errors
from proxy.downstream.responding import refusal
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.http.fields import Fields

LOOK = 0.1
"""Seconds between two looks at how late the event loop is."""

LATE = 0.1
"""Seconds by which it is late, and has been at work, when there is more to do than can be done at once. A process that
stood still was not busy."""

TURN = 0.025
"""Seconds of the processor's time that one turn of the event loop may take before requests are shed in it."""

CALM = 10
"""Looks without anything shed until all is well."""

RETRY_AFTER = b"1"
"""Seconds after which a client may ask again (RFC 9110 §10.2.3)."""


class Turn:
    """What the event loop's present turn has cost, in seconds of the processor's time: what else the machine does
    does not count."""

    __slots__ = ("_asked", "_began")

    def __init__(self) -> None:
        self._began: float | None = None
        self._asked = False

    def __call__(self) -> float:
        """So far; turns are told apart only while each of them is asked about."""
        now = time.thread_time()
        self._asked = True
        if self._began is None:
            self._began = now
            asyncio.get_running_loop().call_soon(self._next)
        return now - self._began

    def _next(self) -> None:
        """A turn begins."""
        if self._asked:
            self._asked = False
            self._began = time.thread_time()
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._began = None


class Load:
    """What is under way on a listener. most: exchanges that may be, None for any number. turn: what the event loop's
    present turn has cost.

    running: exchanges that wait for something; one that is answered at once never counts. room: while fewer than this
    are running new requests are answered, and others when it is `admitted`.

    Once the event loop was late all requests have to be admitted, until nothing has been shed for a while: a burst is
    taken, and of what comes on and on only as much as leaves turns, and so all waiting, short.
    """

    __slots__ = ("_calm", "_most", "_shed", "_turn", "room", "running")

    def __init__(self, most: int | None, turn: Callable[[], float] | None = None) -> None:
        self._most = sys.maxsize if most is None else most
        self._turn = turn or Turn()
        self._calm = CALM
        self._shed = False
        self.room = self._most
        self.running = 0

    def look(self, late: float, worked: float) -> None:
        """late: seconds by which the event loop is, now. worked: of the processor's time, since the last look."""
        busy = self._shed or (late > LATE and worked > LATE)
        self._calm = 0 if busy else self._calm + 1
        self._shed = False
        self.room = 0 if self._calm < CALM else self._most

    def admitted(self) -> bool:
        """Is a request to be answered, although there is no `room`?"""
        if self.running < self._most and self._turn() < TURN:
            return True
        self._shed = True
        return False

    def welcomes(self) -> bool:
        """Is a handshake to begin? Those who are connected go before those who come, so handshakes get half a turn."""
        if self.room or self._turn() < TURN / 2:
            return True
        self._shed = True
        return False

    async def shed(self, request: Request) -> Response:
        """Instead of an answer."""
        what = "requests" if self.running < self._most else "exchanges under way"
        error = ProxyError(errors.PROXY_INTERNAL_RESPONSE, f"overloaded: too many {what}", status=503)
        request.exchange.failure = (error.failure.type, error.detail)
        lines, text = refusal(error)
        return Response(error.status, Fields([*lines, (b"retry-after", RETRY_AFTER)]), text)
