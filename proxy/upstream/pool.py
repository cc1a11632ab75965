"""Which connection a request gets, and who gets a connection: decisions only.

The pool of one endpoint, as state without I/O and without a clock. The connections and waiters in it are opaque:
whoever does the I/O (`origin`) says what happened and does what comes back.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum, auto
from typing import Generic, TypeVar

C = TypeVar("C")
W = TypeVar("W", bound=Hashable)


class Verdict(Enum):
    """What becomes of a request for which no connection is idle."""

    OPEN = auto()
    """Open a connection for it."""
    WAIT = auto()
    """All connections there may be are in use. It waits in line."""
    FULL = auto()
    """The line is full."""


class Pool(Generic[C, W]):
    """max_connections: open, being opened and idle ones together. max_waiting: requests in line.

    A waiter takes the first connection that becomes free, or the one opened for it, whichever comes first. A
    connection that was opened for a waiter who no longer wants it goes to the next in line, or is idle.
    """

    __slots__ = ("_idle", "_max_connections", "_max_waiting", "_opening", "_waiting", "open")

    def __init__(self, max_connections: int, max_waiting: int) -> None:
        self._max_connections = max_connections
        self._max_waiting = max_waiting
        self.open = 0
        self._idle: list[tuple[C, float]] = []  # with the time since when, oldest first
        self._waiting: dict[W, float] = {}  # likewise
        self._opening: dict[W, bool] = {}  # whether who it was opened for still wants it

    @property
    def room(self) -> bool:
        """Another connection may be opened."""
        return self.open < self._max_connections

    @property
    def idle(self) -> int:
        return len(self._idle)

    @property
    def load(self) -> int:
        """Requests that have a connection, or want one."""
        return self.open - len(self._idle) + max(0, len(self._waiting) - len(self._opening))

    def take(self) -> C | None:
        """The connection used last, so that those not needed any more become old. None: none is idle."""
        return self._idle.pop()[0] if self._idle else None

    def ask(self, waiter: W, now: float, *, fresh: bool = False) -> Verdict:
        """For a request that found none idle. fresh: as long as there is room, only a new connection will do."""
        if self.room:
            self.open += 1
            self._opening[waiter] = True
            if not fresh:
                self._waiting[waiter] = now
            return Verdict.OPEN
        if len(self._waiting) >= self._max_waiting:
            return Verdict.FULL
        self._waiting[waiter] = now
        return Verdict.WAIT

    def leave(self, waiter: W) -> None:
        """The waiter wants nothing any more. May be called also after it got what it wanted."""
        self._waiting.pop(waiter, None)
        if waiter in self._opening:
            self._opening[waiter] = False

    def opened(self, waiter: W, connection: C, now: float) -> W | None:
        """A connection was opened for this waiter. Who gets it; None: it is idle now."""
        if not self._opening.pop(waiter):
            return self.put(connection, now)
        self._waiting.pop(waiter, None)
        return waiter

    def failed(self, waiter: W) -> bool:
        """No connection could be opened for this waiter. Whether that is bad news for it."""
        self.open -= 1
        self._waiting.pop(waiter, None)
        return self._opening.pop(waiter)

    def put(self, connection: C, now: float) -> W | None:
        """A connection became free. Who gets it; None: it is idle now."""
        if not self._waiting:
            self._idle.append((connection, now))
            return None
        waiter = next(iter(self._waiting))
        self.leave(waiter)
        return waiter

    def closed(self, connection: C) -> None:
        """An open connection, idle or not, is no more."""
        self.open -= 1
        self._idle = [entry for entry in self._idle if entry[0] is not connection]

    def next_to_open(self) -> W | None:
        """After `failed` or `closed`: the waiter for whom a connection is to be opened now."""
        if self.room:
            for waiter in self._waiting:
                if waiter not in self._opening:
                    self.open += 1
                    self._opening[waiter] = True
                    return waiter
        return None

    def empty(self) -> list[C]:
        """The idle connections, idle no more: to be closed."""
        idle = [connection for connection, _ in self._idle]
        self._idle = []
        return idle

    def give_up(self, most: int) -> list[C]:
        """So many of the idle connections, those that are idle for longest, idle no more: to be closed."""
        given_up = [connection for connection, _ in self._idle[:most]]
        self._idle = self._idle[most:]
        return given_up

    def expire(self, idle_before: float, waiting_before: float) -> tuple[list[C], list[W]]:
        """The connections idle since before then, to be closed, and the waiters in line since before then, who get
        none: both are out of the pool now. One for whom a connection is being opened is not in line."""
        old = [connection for connection, since in self._idle if since < idle_before]
        self._idle = self._idle[len(old) :]
        late = [w for w, since in self._waiting.items() if since < waiting_before and w not in self._opening]
        for waiter in late:
            self.leave(waiter)
        return old, late
