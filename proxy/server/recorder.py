"""Records exchanges of a running proxy for whoever asks; costs nothing while nobody does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import random

from proxy.chain import Handler
from proxy.exchange import Pipe, Request, Response
from proxy.exchange.story import Sample, tapped
from proxy.inspector.record import Record, of_exchange, to_json

MOST_WAITING = 16 << 20
"""Bytes that wait for a listener that is slow; what comes meanwhile is left out for it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """share: of the exchanges, 0 to 1. route: only of this one. hidden: fields whose values are left out."""

    share: float
    route: str | None
    hidden: frozenset[str]


class _Tape:
    """What one listener gets: a JSON object on each line, a record or {"dropped": how many were left out}."""

    def __init__(self, wanted: Wanted, over: Callable[[_Tape], None]) -> None:
        self.wanted = wanted
        self.pipe = Pipe(pause=self._pause, resume=self._resume, on_close=lambda: over(self))
        self._behind = False
        self._waiting = self._dropped = 0

    def write(self, record: Record) -> None:
        line = json.dumps(to_json(record)).encode() + b"\n"
        if self._behind:
            self._waiting += len(line)
            if self._waiting > MOST_WAITING:
                self._dropped += 1
                return
        self.pipe.feed(line)

    def _pause(self) -> None:
        self._behind, self._waiting = True, 0

    def _resume(self) -> None:
        self._behind = False
        if self._dropped:
            self.pipe.feed(b'{"dropped": %d}\n' % self._dropped)
            self._dropped = 0


class Recorder:
    """place: puts another handler in the place of the proxy's own."""

    def __init__(self, handler: Handler, place: Callable[[Handler], None]) -> None:
        self._handler = handler
        self._place = place
        self._tapes: list[_Tape] = []

    def follow(self, handler: Handler) -> None:
        """The proxy's own is another one now."""
        self._handler = handler
        if not self._tapes:
            self._place(handler)

    def listen(self, wanted: Wanted) -> Pipe:
        """A stream of the exchanges that end from now on, until it is closed."""
        tape = _Tape(wanted, self._left)
        self._tapes.append(tape)
        self._place(self._record)
        return tape.pipe

    def _left(self, tape: _Tape) -> None:
        self._tapes.remove(tape)
        if not self._tapes:
            self._place(self._handler)

    async def _record(self, request: Request) -> Response:
        dice = random()
        tapes = [tape for tape in self._tapes if dice < tape.wanted.share]
        if not tapes:
            return await self._handler(request)
        request.exchange.trace = []
        came, asked, answered = request.copy(), Sample(), Sample()
        request.body = tapped(request.body, asked)
        response = await self._handler(request)
        response = response.copy()

        def over() -> None:
            for tape in tapes:
                if tape.wanted.route in (None, request.exchange.route):
                    tape.write(of_exchange(came, asked, response, answered, tape.wanted.hidden))

        response.body = tapped(response.body, answered, over)
        return response
