"""Waitables and sets of them (CanonicalABI.md, waitable state)."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from proxy.component.handles import trap

if TYPE_CHECKING:
    from proxy.component.tasks.thread import Wait


class EventCode(IntEnum):
    NONE = 0
    SUBTASK = 1
    STREAM_READ = 2
    STREAM_WRITE = 3
    FUTURE_READ = 4
    FUTURE_WRITE = 5
    TASK_CANCELLED = 6


Event = tuple[int, int, int]
"""The code, the index of the waitable, and what happened to it."""

NO_EVENT: Event = (EventCode.NONE, 0, 0)
CANCELLED_EVENT: Event = (EventCode.TASK_CANCELLED, 0, 0)


class Waitable:
    """What a guest waits for: a subtask, or an end of a stream or a future. It has at most one event at a time
    (`has_event`), made when it is delivered. `joined`: the set it is in. `index`: the guest's own of it, once there may
    be an event."""

    __slots__ = ("has_event", "has_sync_waiter", "index", "joined")

    def __init__(self) -> None:
        self.has_event = False
        self.joined: WaitableSet | None = None
        self.has_sync_waiter = False
        self.index = 0

    def event(self) -> Event:
        """What happened to it."""
        raise NotImplementedError

    def has_pending_event(self) -> bool:
        return self.has_event

    def tell(self) -> None:
        """It has an event."""
        self.has_event = True
        if self.joined is not None:
            self.joined.pending[self] = None

    def get_pending_event(self) -> Event:
        self.has_event = False
        if self.joined is not None:
            self.joined.pending.pop(self, None)
        return self.event()

    def join(self, joined: WaitableSet | None) -> None:
        """Puts it into a set, or into none."""
        if self.has_sync_waiter:
            raise trap("waitable cannot be used synchronously while added to a waitable set")
        before = self.joined
        if before is not None:
            before.members -= 1
            before.pending.pop(self, None)
        self.joined = joined
        if joined is not None:
            joined.members += 1
            if self.has_event:
                joined.pending[self] = None

    def drop(self) -> None:
        if self.joined is not None or self.has_sync_waiter:
            self.join(None)


class WaitableSet:
    """`pending`: the members that have an event, the one that has had it longest first. `told`: what a callback waits
    for that waits for it."""

    __slots__ = ("members", "num_waiting", "pending", "told")

    def __init__(self) -> None:
        self.members = 0
        self.num_waiting = 0
        self.pending: dict[Waitable, None] = {}
        self.told: Wait | None = None

    def has_pending_event(self) -> bool:
        return bool(self.pending)

    def get_pending_event(self) -> Event:
        for waitable in self.pending:
            return waitable.get_pending_event()
        raise AssertionError("nothing has happened")

    def drop(self) -> None:
        if self.members:
            raise trap("cannot drop a waitable set that has waitables in it")
        if self.num_waiting:
            raise trap("cannot drop waitable set with waiters")
