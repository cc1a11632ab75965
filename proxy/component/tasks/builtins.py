"""The built-ins of the asynchronous ABI (CanonicalABI.md, from `canon context.get` on): for each its core type, whether
it may block, and what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any

from proxy.component.abi.code import Code
from proxy.component.handles import trap
from proxy.component.plan import Builtin
from proxy.component.tasks import ends, subtask
from proxy.component.tasks.buffer import UNIT, ElementType
from proxy.component.tasks.ends import READABLE, WRITABLE, CopyEnd, EndType
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


Body = Callable[..., Any]
"""body(instance, state, *arguments): the raw result, None without one, or a Block. `state`: of the component instance
that calls it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """`make` gives what one that is bound does."""

    core: CoreFuncType
    make: Callable[[Bound], Body]
    blocks: Callable[[Builtin], bool] = lambda definition: False
    leaves: bool = True
    """Whether it traps where an instance may not call out."""
    line: str = ""
    """Of one that only reads or writes what its thread keeps, which is all it does."""


# The task's own.


def _thread(state: ComponentState, name: str) -> Thread:
    thread = state.thread
    if thread is None:
        raise trap(f"{name} outside of a task")
    return thread


def _context_get(bound: Bound) -> Body:
    slot = bound.definition.slot
    return lambda instance, state: state.storage[slot]


def _context_set(bound: Bound) -> Body:
    slot = bound.definition.slot
    return lambda instance, state, value: state.storage.__setitem__(slot, value)


def _backpressure_inc(instance: Instance, state: ComponentState) -> None:
    if state.backpressure == MAX_BACKPRESSURE:
        raise trap("backpressure counter overflow")
    state.backpressure += 1


def _backpressure_dec(instance: Instance, state: ComponentState) -> None:
    if not state.backpressure:
        raise trap("backpressure counter underflow")
    state.backpressure -= 1


def _task_cancel(instance: Instance, state: ComponentState) -> None:
    _thread(state, "task.cancel").task.cancel()


def _thread_yield(bound: Bound, instance: Instance, state: ComponentState) -> Any:
    thread, cancellable = _thread(state, "thread.yield"), bound.definition.cancellable
    if cancellable and thread.task.deliver_pending_cancel():
        return 1
    if not thread.task.may_block():
        return 0  # it is ready at once, and nothing else may run before it has its result
    return Block(Wait(always, cancellable, True), int)


# Waitables and sets of them.


def _set_new(instance: Instance, state: ComponentState) -> int:
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
    thread = _thread(state, "waitable-set.wait")
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
    if bound.definition.cancellable and _thread(state, "waitable-set.poll").task.deliver_pending_cancel():
        return _deliver(bound, instance, pointer, CANCELLED_EVENT)
    return _deliver(bound, instance, pointer, waited.get_pending_event() if waited.pending else NO_EVENT)


def _set_drop(instance: Instance, state: ComponentState, index: int) -> None:
    state.handles.take(index, WaitableSet, "waitable set").drop()


def _join(instance: Instance, state: ComponentState, index: int, joined: int) -> None:
    waitable = state.handles.entry(index, Waitable, "waitable")
    waitable.join(state.handles.entry(joined, WaitableSet, "waitable set") if joined else None)


# Subtasks.


def _subtask_cancel(bound: Bound) -> Body:
    asynchronous = bound.definition.is_async
    return lambda instance, state, index: subtask.cancel(state, asynchronous, index)


def _subtask_drop(instance: Instance, state: ComponentState, index: int) -> None:
    state.handles.take(index, subtask.Subtask, "subtask").drop()


# Streams and futures.


def _new(
    bound: Bound, shared: type[SharedStream | SharedFuture], readable: type[CopyEnd], writable: type[CopyEnd]
) -> Body:
    kind = bound.element.kind

    def new(instance: Instance, state: ComponentState) -> int:
        made, add = shared(kind, instance.scheduler), state.handles.add
        return add(readable(made)) | add(writable(made)) << 32

    return new


def _ends(make: Callable[[EndType], Body], end: type[CopyEnd]) -> Callable[[Bound], Body]:
    """For built-ins that work on one end of a stream or future."""
    return lambda bound: make(EndType(end, bound.element, bound.context, bound.definition.is_async))


def _always_as(body: Body) -> Callable[[Bound], Body]:
    """For those that are the same however they are declared."""
    return lambda bound: body


def _told(body: Callable[..., Any]) -> Callable[[Bound], Body]:
    """For those that are told how they are declared."""
    return lambda bound: partial(body, bound)


def _core(params: int, result: str | None = None) -> CoreFuncType:
    return CoreFuncType(("i32",) * params, (result,) if result else ())


def _is_sync(definition: Builtin) -> bool:
    return not definition.is_async


def _always(definition: Builtin) -> bool:
    return True


BUILTINS = {
    "context.get": Kind(_core(0, "i32"), _context_get, leaves=False, line="SLOTS[address][0] = {storage}"),
    "context.set": Kind(_core(1), _context_set, leaves=False, line="{storage} = SLOTS[address][0] & 0xFFFFFFFF"),
    "backpressure.inc": Kind(_core(0), _always_as(_backpressure_inc), leaves=False),
    "backpressure.dec": Kind(_core(0), _always_as(_backpressure_dec), leaves=False),
    "task.cancel": Kind(_core(0), _always_as(_task_cancel)),
    "thread.yield": Kind(_core(0, "i32"), _told(_thread_yield), _always),
    "waitable-set.new": Kind(_core(0, "i32"), _always_as(_set_new)),
    "waitable-set.wait": Kind(_core(2, "i32"), _told(_set_wait), _always),
    "waitable-set.poll": Kind(_core(2, "i32"), _told(_set_poll)),
    "waitable-set.drop": Kind(_core(1), _always_as(_set_drop)),
    "waitable.join": Kind(_core(2), _always_as(_join)),
    "subtask.cancel": Kind(_core(1, "i32"), _subtask_cancel, _is_sync),
    "subtask.drop": Kind(_core(1), _always_as(_subtask_drop)),
}
for _name, _shared, _arguments in (("stream", SharedStream, 3), ("future", SharedFuture, 2)):
    _read, _write = READABLE[_name == "stream"], WRITABLE[_name == "stream"]
    BUILTINS |= {
        f"{_name}.new": Kind(_core(0, "i64"), partial(_new, shared=_shared, readable=_read, writable=_write)),
        f"{_name}.read": Kind(_core(_arguments, "i32"), _ends(ends.copier, _read), _is_sync),
        f"{_name}.write": Kind(_core(_arguments, "i32"), _ends(ends.copier, _write), _is_sync),
        f"{_name}.cancel-read": Kind(_core(1, "i32"), _ends(ends.canceller, _read)),
        f"{_name}.cancel-write": Kind(_core(1, "i32"), _ends(ends.canceller, _write)),
        f"{_name}.drop-readable": Kind(_core(1), _ends(ends.dropper, _read)),
        f"{_name}.drop-writable": Kind(_core(1), _ends(ends.dropper, _write)),
    }


def core(bound: Bound) -> Core:
    """A built-in as what a gate is made for."""
    kind = BUILTINS[bound.definition.name]
    words = range(0, 2 * len(kind.core.params), 2)
    act, component, leaves = kind.make(bound), bound.component, kind.leaves

    def call(instance: Instance, slots: Any) -> Any:
        state = instance.components[component]
        if leaves and not state.may_leave:
            raise trap("cannot leave component instance")
        return act(instance, state, *[slots[word] & 0xFFFFFFFF for word in words])

    return call


def callback(bound: Bound, cell: Cell) -> HostCallback:
    """A built-in that never blocks. Guests call some twenty of them in an exchange: so it is generated, without loops
    and with as few calls as can be."""
    kind = BUILTINS[bound.definition.name]
    params, results = kind.core.params, kind.core.results
    slots_at = raw_values_at(max(len(params), len(results)))
    names = {"ACT": kind.make(bound), "CELL": cell, "SLOTS": slots_at}
    code = Code({**names, "trap": trap, "carry": carry})
    arguments = "".join(f", slots[{2 * number}] & 0xFFFFFFFF" for number in range(len(params)))
    with code.block("def callback(env, caller, address):"):
        with code.block("try:"):
            if kind.line:
                kept = f"CELL.current.components[{bound.component}].storage[{bound.definition.slot}]"
                code.line(kind.line.format(storage=kept))
            else:
                code.line("instance = CELL.current")
                code.line(f"state = instance.components[{bound.component}]")
                if kind.leaves:
                    with code.block("if not state.may_leave:"):
                        code.line("raise trap('cannot leave component instance')")
                if params or results:
                    code.line("slots = SLOTS[address]")
                code.line(f"{'slots[0] = ' if results else ''}ACT(instance, state{arguments})")
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
