"""Tasks: calls of a component's functions (CanonicalABI.md, tasks and `canon lift`)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from proxy.component.handles import BorrowScope, trap
from proxy.component.plan import Options
from proxy.component.tasks.thread import Steps, Thread, Wait, call_core
from proxy.component.tasks.waitable import CANCELLED_EVENT, NO_EVENT, WaitableSet
from proxy.component.types import FuncType, ValueType
from proxy.sandbox import CoreFuncType, RawValues

if TYPE_CHECKING:
    from proxy.component.instance import Instance
    from proxy.component.tasks.scheduler import Scheduler
    from proxy.component.tasks.state import ComponentState

YIELD, WAIT = 1, 2
"""What a function with a callback, and the callback, give beside 0, which is its end (CallbackCode)."""

_CALLBACK = CoreFuncType(("i32",) * 3, ("i32",))

OnStart = Callable[[], Sequence[Any]]
"""Gives the arguments, when the task begins."""
OnResolve = Callable[[Any], None]
"""Takes the result, or CANCELLED."""


class Cancelled:
    """The outcome of a task that was cancelled."""


CANCELLED = Cancelled()


@dataclass(frozen=True, slots=True)
class Lifted:
    """A lifted function, bound: what every task of it shares. Functions are numbers of externs."""

    type: FuncType
    options: Options
    component: int
    lineage: tuple[int, ...]
    """The component instance and those it is a part of, as far as they hold state."""
    function: int
    core: CoreFuncType
    callback: int | None
    post_return: int | None
    values: RawValues
    lower_params: Callable[[Instance, BorrowScope, Sequence[Any]], None]
    """Puts arguments, lowered, into `values`."""
    lift_result: Callable[[Instance], Any]
    """The result that is in `values`."""
    on_fibers: bool
    """Whether its component instance imports anything that blocks."""
    needs_exclusive: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs_exclusive", not self.options.is_async or self.callback is not None)


class State(Enum):
    INITIAL = 1
    STARTED = 2
    PENDING_CANCEL = 3
    CANCEL_DELIVERED = 4
    RESOLVED = 5


INITIAL, STARTED, PENDING_CANCEL, CANCEL_DELIVERED, RESOLVED = State


class Task(BorrowScope):
    """One call of a lifted function. It is over when its thread has ended, and has resolved before that."""

    __slots__ = (
        "_on_resolve", "_on_start", "component", "data", "instance", "lifted", "scheduler", "state", "thread",
    )  # fmt: skip

    def __init__(self, instance: Instance, lifted: Lifted, on_start: OnStart, on_resolve: OnResolve) -> None:
        self.borrows = 0
        self.instance = instance
        self.data = instance.data
        """What host functions get that it calls: it is of the call from the host that it belongs to."""
        self.scheduler: Scheduler = instance.scheduler
        self.lifted = lifted
        self.state = INITIAL
        self._on_start = on_start
        self._on_resolve = on_resolve
        self.component: ComponentState = instance.components[lifted.component]
        self.thread = Thread(self, self.component, self._steps())

    def may_block(self) -> bool:
        """Whether it may block: a function whose type does not say async must have its result first."""
        return self.lifted.type.is_async or self.state is RESOLVED

    # Its thread.

    def _steps(self) -> Steps:
        lifted, instance = self.lifted, self.instance
        if lifted.type.is_async:
            if not self._enters_at_once() and not (yield from self._wait_to_enter()):
                self._over()
                return
            if lifted.needs_exclusive:
                self.component.exclusive = self.thread
        self.state = STARTED
        lifted.lower_params(instance, self, self._on_start())
        if lifted.on_fibers:
            yield from self._call_on_fiber(lifted.function, lifted.core)
        else:
            found = instance.funcs[lifted.function] or instance.find(lifted.function)
            call_core(instance, found, lifted.values)
        if not lifted.options.is_async:
            flat = lifted.values.buffer[0]
            self.returns(lifted.lift_result(instance))
            if lifted.post_return is not None:
                self._post_return(lifted.post_return, flat)
        elif lifted.callback is not None:
            yield from self._event_loop(lifted.callback, lifted.values.buffer[0])
        self._exit()

    def _call_on_fiber(self, function: int, kind: CoreFuncType) -> Steps:
        instance = self.instance
        found = instance.funcs[function] or instance.find(function)
        return self.thread.call(instance, found, kind, self.lifted.values)

    def _post_return(self, function: int, flat: int) -> None:
        instance, component = self.instance, self.component
        self.lifted.values.buffer[0] = flat
        component.may_leave = False
        call_core(instance, instance.funcs[function] or instance.find(function), self.lifted.values)
        component.may_leave = True

    def _event_loop(self, callback: int, packed: int) -> Steps:
        component, instance, lifted, thread = self.component, self.instance, self.lifted, self.thread
        values, on_fibers = lifted.values.buffer, lifted.on_fibers
        while code := packed & 0xF:
            component.exclusive = None
            if code == WAIT:
                waited = component.handles.entry((packed & 0xFFFFFFFF) >> 4, WaitableSet, "waitable set")
                event = CANCELLED_EVENT
                if self.state is not PENDING_CANCEL or not self.deliver_pending_cancel():
                    waited.num_waiting += 1
                    cancelled = yield waited.told or _until_told(component, waited)
                    waited.num_waiting -= 1
                    event = CANCELLED_EVENT if cancelled else waited.get_pending_event()
            elif code == YIELD:
                event = NO_EVENT
                if self.deliver_pending_cancel() or (
                    not self.scheduler.is_next() and (yield Wait(lambda: component.exclusive is None, True, True))
                ):
                    event = CANCELLED_EVENT
            else:
                raise trap("unsupported callback code")
            component.exclusive = thread
            values[0], values[2], values[4] = event
            if on_fibers:
                yield from self._call_on_fiber(callback, _CALLBACK)
            else:
                call_core(instance, instance.funcs[callback] or instance.find(callback), lifted.values)
            packed = values[0]

    def _enters_at_once(self) -> bool:
        component = self.component
        holder = component.exclusive if self.lifted.needs_exclusive else None
        if holder is not None and self._goes_on(holder):
            holder.resume()
        return not (component.waiting_to_enter or self._held_back())

    def _wait_to_enter(self) -> Generator[Wait, bool, bool]:
        """Waits for its turn. False when it was cancelled before."""
        component = self.component
        component.waiting_to_enter += 1
        cancelled = yield Wait(lambda: not self._held_back(), True)
        component.waiting_to_enter -= 1
        if cancelled:
            self.cancel()
        return not cancelled

    def _goes_on(self, holder: Thread) -> bool:
        """Whether the task that holds this one back has what it waited for, and so may be out of the way at once. By
        CanonicalABI.md this one would begin later; that it does not have to wait is what the specification's own tests
        want (test/async/sync-streams.wast)."""
        wait = holder.wait
        if wait is None or wait.yields or not wait.ready():
            return False
        return self.scheduler.blocked in (None, holder)

    def _held_back(self) -> bool:
        component = self.component
        if component.backpressure or self.scheduler.blocked is not None:
            return True
        return self.lifted.needs_exclusive and component.exclusive is not None

    def _exit(self) -> None:
        if self.state is not RESOLVED:
            raise trap("the task ended without calling task.return or task.cancel")
        if self.lifted.type.is_async and self.lifted.needs_exclusive:
            self.component.exclusive = None
        self._over()

    def _over(self) -> None:
        self.scheduler.over(self)
        del self.thread, self._on_start, self._on_resolve  # which know it too: no work for the garbage collector

    # Its resolution.

    def returns(self, result: Any) -> None:
        if self.state is RESOLVED:
            raise trap("task.return called twice, or after task.cancel")
        if self.borrows:
            self.close()
        self._on_resolve(result)
        self.state = RESOLVED

    def returns_by(self, kind: ValueType | None, options: Options, result: Any) -> None:
        """task.return, as declared for this type and with these options."""
        mine = self.lifted.options
        if not mine.is_async:
            raise trap("task.return in a task that returns by itself")
        wanted = self.lifted.type.result
        if kind is not wanted and kind != wanted:
            raise trap("invalid task.return: the function has another result")
        if options.encoding != mine.encoding or (
            kind is not None and options.memory is not mine.memory and options.memory != mine.memory
        ):
            raise trap("invalid task.return: it has other options than the function")
        self.returns(result)

    def cancel(self) -> None:
        """task.cancel: it confirms that it was cancelled."""
        if self.state is not CANCEL_DELIVERED:
            raise trap("task.cancel of a task that nobody has cancelled, or that has a result")
        self.close()
        self._on_resolve(CANCELLED)
        self.state = RESOLVED

    def request_cancellation(self, caller: tuple[int, ...] = ()) -> None:
        """By whom it was called (a lineage; empty: the host)."""
        if self.state is INITIAL:
            self.state = CANCEL_DELIVERED
            self.thread.resume(cancelled=True)
        elif self.state is STARTED:
            component, thread = self.component, self.thread
            other = self.lifted.needs_exclusive and component.exclusive not in (None, thread)
            if thread.wait is not None and thread.wait.cancellable and not other and self._may_enter(caller):
                self.state = CANCEL_DELIVERED
                thread.resume(cancelled=True)
            else:
                self.state = PENDING_CANCEL

    def _may_enter(self, caller: tuple[int, ...]) -> bool:
        components = self.instance.components
        return not any(components[number].running for number in self.lifted.lineage if number not in caller)

    def deliver_pending_cancel(self) -> bool:
        if self.state is not PENDING_CANCEL:
            return False
        self.state = CANCEL_DELIVERED
        return True


def _until_told(component: ComponentState, waited: WaitableSet) -> Wait:
    """What a callback waits for: the same each time."""
    pending = waited.pending
    waited.told = Wait(lambda: component.exclusive is None and pending, True)
    return waited.told


def canon_lift(instance: Instance, lifted: Lifted, on_start: OnStart, on_resolve: OnResolve) -> Task:
    """Begins a task, which runs until it blocks or is over."""
    task = Task(instance, lifted, on_start, on_resolve)
    task.thread.resume()
    return task
