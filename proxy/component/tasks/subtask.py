"""Subtasks: calls of imports, and `canon lower` with the option async (CanonicalABI.md, subtask state)."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from proxy.component.abi import layout
from proxy.component.handles import Handle, HandleTable, trap
from proxy.component.plan import Options
from proxy.component.tasks.task import CANCELLED, OnResolve, OnStart
from proxy.component.tasks.thread import Block, Wait
from proxy.component.tasks.waitable import Event, EventCode, Waitable, WaitableSet
from proxy.component.types import FuncType

if TYPE_CHECKING:
    from proxy.component.instance import Instance
    from proxy.component.tasks.state import ComponentState

BLOCKED = 0xFFFF_FFFF

SUBTASK = int(EventCode.SUBTASK)

OnCancel = Callable[[], None]
Callee = Callable[["Instance", OnStart, OnResolve], OnCancel]
"""Begins a call; gives what asks for its end."""


class State(IntEnum):
    STARTING = 0
    STARTED = 1
    RETURNED = 2
    CANCELLED_BEFORE_STARTED = 3
    CANCELLED_BEFORE_RETURNED = 4


STARTING, STARTED, RETURNED, CANCELLED_BEFORE_STARTED, CANCELLED_BEFORE_RETURNED = State


class Subtask(Waitable):
    """`lenders`: the handles that the call has borrowed, until its end has been delivered."""

    __slots__ = ("cancellation_requested", "lenders", "on_cancel", "resolve_delivered", "state")

    def __init__(self) -> None:
        self.has_event = self.has_sync_waiter = False
        self.joined: WaitableSet | None = None
        self.index = 0
        self.state = STARTING
        self.on_cancel: OnCancel | None = None
        self.lenders: list[Handle] = []
        self.cancellation_requested = False
        self.resolve_delivered = False

    def resolved(self) -> bool:
        return self.state >= RETURNED

    def deliver_resolve(self) -> None:
        for handle in self.lenders:
            handle.lends -= 1
        self.lenders.clear()
        self.resolve_delivered = True

    def event(self) -> Event:
        if self.state >= RETURNED:
            self.deliver_resolve()
        return SUBTASK, self.index, self.state

    def drop(self) -> None:
        if not self.resolve_delivered:
            raise trap("cannot drop a subtask which has not yet resolved")
        super().drop()


@dataclass(frozen=True, slots=True)
class LoweredCall:
    """A lowered function, bound: what every call of it shares."""

    type: FuncType
    options: Options
    component: int
    callee: Callee
    lift_params: Callable[[Instance, Any, list[Handle]], Sequence[Any]]
    """From raw values, which borrow from what is added to the list."""
    lower_result: Callable[[Instance, Any, Any, int], None]
    """Into raw values, or to where the pointer says."""

    @property
    def signature(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return layout.lowered_signature(self.type, is_async=self.options.is_async)


def canon_lower(lowered: LoweredCall) -> Callable[[Instance, Any], Any]:
    """`call(instance, slots)`: the raw result, or a Block."""
    params, results = lowered.signature
    words = 2 * len(params)
    by_pointer = lowered.type.result is not None and (lowered.options.is_async or not results)
    last = 2 * (len(params) - 1)

    def call(instance: Instance, slots: Any) -> Any:
        component = instance.components[lowered.component]
        if not component.may_leave:
            raise trap("cannot leave component instance")
        flat = array("Q", slots[:words])
        pointer = flat[last] & 0xFFFFFFFF if by_pointer else 0
        subtask, outcome = Subtask(), [None]

        def on_start() -> Sequence[Any]:
            subtask.state = STARTED
            if subtask.index:
                subtask.tell()
            return lowered.lift_params(instance, flat, subtask.lenders)

        def on_resolve(result: Any) -> None:
            if result is CANCELLED:
                started = subtask.state is not STARTING
                subtask.state = CANCELLED_BEFORE_RETURNED if started else CANCELLED_BEFORE_STARTED
            else:
                if lowered.options.is_async:
                    lowered.lower_result(instance, result, None, pointer)
                else:
                    outcome[0] = result
                subtask.state = RETURNED
            subtask.on_cancel = None
            if subtask.index:
                subtask.tell()

        on_cancel = lowered.callee(instance, on_start, on_resolve)
        if subtask.state < RETURNED:
            subtask.on_cancel = on_cancel
        if lowered.options.is_async:
            return _asynchronous(component.handles, subtask)

        def finish(cancelled: bool) -> Callable[[Any], None]:
            subtask.deliver_resolve()
            return lambda raw: lowered.lower_result(instance, outcome[0], raw, pointer)

        return finish(False) if subtask.resolved() else Block(Wait(subtask.resolved), finish)

    return call


def _asynchronous(handles: HandleTable, subtask: Subtask) -> int:
    if subtask.state >= RETURNED:
        subtask.deliver_resolve()
        return RETURNED
    subtask.index = handles.add(subtask)
    return subtask.state | subtask.index << 4


def cancel(component: ComponentState, asynchronous: bool, index: int) -> Any:
    """canon subtask.cancel."""
    subtask = component.handles.entry(index, Subtask, "subtask")
    if subtask.resolve_delivered:
        raise trap("`subtask.cancel` called after terminal status delivered")
    if subtask.cancellation_requested:
        raise trap("`subtask.cancel` called twice")
    if subtask.joined is not None and not asynchronous:
        raise trap("waitable cannot be used synchronously while added to a waitable set")
    if not subtask.resolved():
        subtask.cancellation_requested = True
        assert subtask.on_cancel is not None
        subtask.on_cancel()
        if not subtask.resolved():
            # That it has begun may be an event still: what is waited for is its end.
            return BLOCKED if asynchronous else wait_for(subtask, subtask.resolved)
    return subtask.get_pending_event()[2]


def wait_for(waitable: Waitable, ready: Callable[[], bool] | None = None) -> Block:
    """A synchronous wait for the event of a waitable, or until it is `ready`; the event's payload is the answer."""
    waitable.has_sync_waiter = True

    def finish(cancelled: bool) -> int:
        waitable.has_sync_waiter = False
        return waitable.get_pending_event()[2]

    return Block(Wait(ready or waitable.has_pending_event), finish)
