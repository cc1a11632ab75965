"""The built-ins of the asynchronous ABI (CanonicalABI.md, from `canon context.get` on): for each its core type, whether
it may block, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import TYPE_CHECKING, Any

from proxy.component.abi.code import Code
from proxy.component.handles import trap
from proxy.component.plan import Builtin
from proxy.component.tasks import ends, subtask
from proxy.component.tasks.buffer import UNIT, ElementType
from proxy.component.tasks.ends import (
    READABLE,
    WRITABLE,
    EndType,
    ReadableFutureEnd,
    ReadableStreamEnd,
    WritableFutureEnd,
    WritableStreamEnd,
)
from proxy.component.tasks.stream import SharedFuture, SharedStream
from proxy.component.tasks.thread import Block, Thread, Wait, always
from proxy.component.tasks.waitable import CANCELLED_EVENT, NO_EVENT, Event, Waitable, WaitableSet
from proxy.sandbox import CoreFuncType, HostCallback, carry, raw_values_at

if TYPE_CHECKING:
    from proxy.component.gate import Core
    from proxy.component.instance import Cell, Instance
    from proxy.component.tasks.state import ComponentState

MAX_BACKPRESSURE = (1 << 16) - 1
_PAYLOAD = Struct("<II")


@dataclass(frozen=True, slots=True)
class Bound:
    """A built-in, its indices resolved. `context` is where its memory is, `element` what its stream or future has."""

    definition: Builtin
    component: int
    context: int = 0
    element: ElementType = UNIT

    @property
    def asynchronous(self) -> bool:
        return self.definition.is_async


Body = Callable[..., Any]
"""body(subject, instance, state, *arguments): the raw result, None without one, or a Block. `state`: of the component
instance that calls it."""


@dataclass(frozen=True, slots=True)
class Kind:
    core: CoreFuncType
    body: Body
    blocks: Callable[[Builtin], bool] = lambda definition: False
    leaves: bool = True
    """Whether it traps where an instance may not call out."""
    end: type[ends.CopyEnd] | None = None
    """What it works on, if that is one end of a stream or future."""
    line: str = ""
    """Instead of a call of the body, where it does no more than this."""

    def subject(self, bound: Bound) -> Bound | EndType:
        """What the body gets first."""
        if self.end is None:
            return bound
        return EndType(self.end, bound.element, bound.component, bound.context, bound.definition.is_async)


# The task's own.


def _thread(bound: Bound, state: ComponentState) -> Thread:
    thread = state.thread
    if thread is None:
        raise trap(f"{bound.definition.name} outside of a task")
    return thread


def _context_get(bound: Bound, instance: Instance, state: ComponentState) -> int:
    return state.storage[bound.definition.slot]


def _context_set(bound: Bound, instance: Instance, state: ComponentState, value: int) -> None:
    state.storage[bound.definition.slot] = value


def _backpressure_inc(bound: Bound, instance: Instance, state: ComponentState) -> None:
    if state.backpressure == MAX_BACKPRESSURE:
        raise trap("backpressure counter overflow")
    state.backpressure += 1


def _backpressure_dec(bound: Bound, instance: Instance, state: ComponentState) -> None:
    if not state.backpressure:
        raise trap("backpressure counter underflow")
    state.backpressure -= 1


def _task_cancel(bound: Bound, instance: Instance, state: ComponentState) -> None:
    _thread(bound, state).task.cancel()


def _thread_yield(bound: Bound, instance: Instance, state: ComponentState) -> Any:
    thread, cancellable = _thread(bound, state), bound.definition.cancellable
    if cancellable and thread.task.deliver_pending_cancel():
        return 1
    if not thread.task.may_block():
        return 0  # it is ready at once, and nothing else may run before it has its result
    return Block(Wait(always, cancellable, True), int)


# Waitables and sets of them.


def _set_new(bound: Bound, instance: Instance, state: ComponentState) -> int:
    return state.handles.add(WaitableSet())


def _deliver(bound: Bound, instance: Instance, pointer: int, event: Event) -> int:
    memory = (instance.contexts[bound.context] or instance.open(bound.context)).memory
    if pointer & 3:
        raise trap("unaligned pointer")
    if pointer + 8 > memory.size:
        memory.reach(pointer + 8)
    _PAYLOAD.pack_into(memory.view, pointer, event[1], event[2])
    return event[0]


def _set_wait(bound: Bound, instance: Instance, state: ComponentState, index: int, pointer: int) -> Any:
    waited, cancellable = state.handles.entry(index, WaitableSet, "waitable set"), bound.definition.cancellable
    thread = _thread(bound, state)
    if cancellable and thread.task.deliver_pending_cancel():
        return _deliver(bound, instance, pointer, CANCELLED_EVENT)
    if waited.pending:
        return _deliver(bound, instance, pointer, waited.get_pending_event())
    waited.num_waiting += 1

    def finish(cancelled: bool) -> int:
        waited.num_waiting -= 1
        return _deliver(bound, instance, pointer, CANCELLED_EVENT if cancelled else waited.get_pending_event())

    return Block(Wait(waited.has_pending_event, cancellable), finish)


def _set_poll(bound: Bound, instance: Instance, state: ComponentState, index: int, pointer: int) -> int:
    waited = state.handles.entry(index, WaitableSet, "waitable set")
    if bound.definition.cancellable and _thread(bound, state).task.deliver_pending_cancel():
        return _deliver(bound, instance, pointer, CANCELLED_EVENT)
    return _deliver(bound, instance, pointer, waited.get_pending_event() if waited.pending else NO_EVENT)


def _set_drop(bound: Bound, instance: Instance, state: ComponentState, index: int) -> None:
    state.handles.take(index, WaitableSet, "waitable set").drop()


def _join(bound: Bound, instance: Instance, state: ComponentState, index: int, joined: int) -> None:
    waitable = state.handles.entry(index, Waitable, "waitable")
    waitable.join(state.handles.entry(joined, WaitableSet, "waitable set") if joined else None)


# Subtasks.


def _subtask_cancel(bound: Bound, instance: Instance, state: ComponentState, index: int) -> Any:
    return subtask.cancel(state, bound.asynchronous, index)


def _subtask_drop(bound: Bound, instance: Instance, state: ComponentState, index: int) -> None:
    state.handles.take(index, subtask.Subtask, "subtask").drop()


# Streams and futures.


def _new_stream(bound: Bound, instance: Instance, state: ComponentState) -> int:
    shared, add = SharedStream(bound.element.kind, instance.scheduler), state.handles.add
    return add(ReadableStreamEnd(shared)) | add(WritableStreamEnd(shared)) << 32


def _new_future(bound: Bound, instance: Instance, state: ComponentState) -> int:
    shared, add = SharedFuture(bound.element.kind, instance.scheduler), state.handles.add
    return add(ReadableFutureEnd(shared)) | add(WritableFutureEnd(shared)) << 32


def _core(params: int, result: str | None = None) -> CoreFuncType:
    return CoreFuncType(("i32",) * params, (result,) if result else ())


def _is_sync(definition: Builtin) -> bool:
    return not definition.is_async


def _always(definition: Builtin) -> bool:
    return True


BUILTINS = {
    "context.get": Kind(_core(0, "i32"), _context_get, leaves=False, line="slots[0] = state.storage[{slot}]"),
    "context.set": Kind(_core(1), _context_set, leaves=False, line="state.storage[{slot}] = slots[0] & 0xFFFFFFFF"),
    "backpressure.inc": Kind(_core(0), _backpressure_inc, leaves=False),
    "backpressure.dec": Kind(_core(0), _backpressure_dec, leaves=False),
    "task.cancel": Kind(_core(0), _task_cancel),
    "thread.yield": Kind(_core(0, "i32"), _thread_yield, _always),
    "waitable-set.new": Kind(_core(0, "i32"), _set_new, line="slots[0] = state.handles.add(WaitableSet())"),
    "waitable-set.wait": Kind(_core(2, "i32"), _set_wait, _always),
    "waitable-set.poll": Kind(_core(2, "i32"), _set_poll),
    "waitable-set.drop": Kind(_core(1), _set_drop),
    "waitable.join": Kind(_core(2), _join),
    "subtask.cancel": Kind(_core(1, "i32"), _subtask_cancel, _is_sync),
    "subtask.drop": Kind(_core(1), _subtask_drop),
}
for _name, _stream, _arguments, _new in (("stream", True, 3, _new_stream), ("future", False, 2, _new_future)):
    _read, _write = READABLE[_stream], WRITABLE[_stream]
    BUILTINS |= {
        f"{_name}.new": Kind(_core(0, "i64"), _new),
        f"{_name}.read": Kind(_core(_arguments, "i32"), ends.copy, _is_sync, end=_read),
        f"{_name}.write": Kind(_core(_arguments, "i32"), ends.copy, _is_sync, end=_write),
        f"{_name}.cancel-read": Kind(_core(1, "i32"), ends.cancel_copy, end=_read),
        f"{_name}.cancel-write": Kind(_core(1, "i32"), ends.cancel_copy, end=_write),
        f"{_name}.drop-readable": Kind(_core(1), ends.drop, end=_read),
        f"{_name}.drop-writable": Kind(_core(1), ends.drop, end=_write),
    }


def core(bound: Bound) -> Core:
    """A built-in as what a gate is made for."""
    kind = BUILTINS[bound.definition.name]
    words = range(0, 2 * len(kind.core.params), 2)
    act, component, leaves, subject = kind.body, bound.component, kind.leaves, kind.subject(bound)

    def call(instance: Instance, slots: Any) -> Any:
        state = instance.components[component]
        if leaves and not state.may_leave:
            raise trap("cannot leave component instance")
        return act(subject, instance, state, *[slots[word] & 0xFFFFFFFF for word in words])

    return call


def callback(bound: Bound, cell: Cell) -> HostCallback:
    """A built-in that never blocks. Guests call some twenty of them in an exchange: so it is generated, without loops
    and with as few calls as can be."""
    kind = BUILTINS[bound.definition.name]
    params, results = kind.core.params, kind.core.results
    slots_at = raw_values_at(max(len(params), len(results)))
    names = {"ACT": kind.body, "SUBJECT": kind.subject(bound), "CELL": cell, "SLOTS": slots_at}
    code = Code({**names, "trap": trap, "carry": carry, "WaitableSet": WaitableSet})
    arguments = "".join(f", slots[{2 * number}] & 0xFFFFFFFF" for number in range(len(params)))
    with code.block("def callback(env, caller, address, count):"):
        with code.block("try:"):
            code.line("instance = CELL.current")
            code.line(f"state = instance.components[{bound.component}]")
            if kind.leaves:
                with code.block("if not state.may_leave:"):
                    code.line("raise trap('cannot leave component instance')")
            if params or results:
                code.line("slots = SLOTS[address]")
            called = f"{'slots[0] = ' if results else ''}ACT(SUBJECT, instance, state{arguments})"
            code.line(kind.line.format(slot=bound.definition.slot) or called)
        with code.block("except BaseException as error:"):
            code.line("return carry(error)")
        code.line("return 0")
    made: HostCallback = code.function("callback")
    return made


def blocks(definition: Builtin) -> bool:
    return BUILTINS[definition.name].blocks(definition)


def unsupported(definition: Builtin, component: int) -> Core:
    """A built-in that is not part of 0.3: threads of the guest's own."""

    def call(instance: Instance, slots: Any) -> Any:
        if not instance.components[component].may_leave:
            raise trap("cannot leave component instance")
        raise trap(f"{definition.name} is not supported yet")

    return call
