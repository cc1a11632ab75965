"""When a listener has too much to do: further requests are answered 503 at once, for those under way to end in time."""

from __future__ import annotations

import sys

from proxy import errors
from proxy.downstream.responding import refusal
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.http.fields import Fields

LOOK = 0.1
"""Seconds between two looks at how late the event loop is."""

LATE = 0.5
"""Seconds by which it is late when there is more to do than can be done. One look is not enough: a process that stood
still was not busy."""

RETRY_AFTER = b"1"
"""Seconds after which a client may ask again (RFC 9110 §10.2.3)."""


class Load:
    """What is under way on a listener. most: exchanges that may be, None for any number.

    running: exchanges that wait for something; one that is answered at once never counts. room: new requests are
    answered while fewer than this are running.
    """

    __slots__ = ("_most", "_was_late", "room", "running")

    def __init__(self, most: int | None) -> None:
        self._most = sys.maxsize if most is None else most
        self._was_late = False
        self.room = self._most
        self.running = 0

    def look(self, late: float) -> None:
        """late: seconds by which the event loop is, now."""
        is_late = late > LATE
        self.room = 0 if is_late and self._was_late else self._most
        self._was_late = is_late

    async def shed(self, request: Request) -> Response:
        """Instead of an answer."""
        detail = "overloaded: too many exchanges under way" if self.room else "overloaded: too many requests"
        error = ProxyError(errors.PROXY_INTERNAL_RESPONSE, detail, status=503)
        request.exchange.failure = (error.failure.type, error.detail)
        lines, text = refusal(error)
        return Response(error.status, Fields([*lines, (b"retry-after", RETRY_AFTER)]), text)
