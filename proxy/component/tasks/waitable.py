"""Waitables and sets of them (CanonicalABI.md, waitable state)."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from proxy.component.handles import trap


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
    """What a guest waits for: a subtask, or an end of a stream or a future. It has at most one event at a time, made
    when it is delivered."""

    __slots__ = ("_event", "_set", "has_sync_waiter")

    def __init__(self) -> None:
        self._event: Callable[[], Event] | None = None
        self._set: WaitableSet | None = None
        self.has_sync_waiter = False

    def set_pending_event(self, event: Callable[[], Event]) -> None:
        self._event = event
        if self._set is not None:
            self._set.pending[self] = None

    def has_pending_event(self) -> bool:
        return self._event is not None

    def get_pending_event(self) -> Event:
        event = self._event
        assert event is not None
        self._event = None
        if self._set is not None:
            self._set.pending.pop(self, None)
        return event()

    def in_waitable_set(self) -> bool:
        return self._set is not None

    def join(self, joined: WaitableSet | None) -> None:
        """Puts it into a set, or into none."""
        if self.has_sync_waiter:
            raise trap("waitable cannot be used synchronously while added to a waitable set")
        if self._set is not None:
            self._set.remove(self)
        self._set = joined
        if joined is not None:
            joined.members += 1
            if self._event is not None:
                joined.pending[self] = None

    def drop(self) -> None:
        self.join(None)


class WaitableSet:
    """`pending`: the members that have an event, the one that has had it longest first."""

    __slots__ = ("members", "num_waiting", "pending")

    def __init__(self) -> None:
        self.members = 0
        self.num_waiting = 0
        self.pending: dict[Waitable, None] = {}

    def remove(self, waitable: Waitable) -> None:
        self.members -= 1
        self.pending.pop(waitable, None)

    def has_pending_event(self) -> bool:
        return bool(self.pending)

    def get_pending_event(self) -> Event:
        return next(iter(self.pending)).get_pending_event()

    def drop(self) -> None:
        if self.members:
            raise trap("cannot drop a waitable set that has waitables in it")
        if self.num_waiting:
            raise trap("cannot drop waitable set with waiters")
