"""Host functions that may wait, and calls of exports that are suspended in them.

A function named in `HostInterface.suspending` gives its result, or a coroutine of it. It is linked as a gate, a small
Wasm function of ours around three of the host's: `begin` calls it, `suspend` is called when it gave a coroutine, and
`finish` gives the guest the result. So whatever the guest does meanwhile goes through the same generated code as
everything else, and a guest is suspended only where nothing of the interpreter lies on its stack.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

from proxy.component.abi import layout
from proxy.component.abi.functions import Target, export_function, import_function
from proxy.component.abi.places import SLOT
from proxy.component.gate import BEGIN, FINISH, gates_module
from proxy.component.handles import trap
from proxy.component.types import FuncType
from proxy.sandbox import (
    CALL_RUNTIME,
    CoreFuncType,
    Engine,
    FiberCall,
    HostCallback,
    Linker,
    Trap,
    TrapKind,
    carry,
    fiber,
    may_suspend,
    raw_values_at,
)

if TYPE_CHECKING:
    from proxy.component.instance import Cell, Instance

_one_at = raw_values_at(1)


@dataclass(frozen=True, slots=True)
class Gate:
    """The host's part of one function that may wait, and the type of what the guest calls."""

    kind: CoreFuncType
    begin: HostCallback
    finish: HostCallback


def gate(kind: FuncType, target: Target, cell: Cell, host: Callable[..., object], runtime: dict[str, Any]) -> Gate:
    """`runtime`: what generated functions use, without HOST."""
    params, results = layout.lowered_signature(kind)
    flat = layout.flat_params(kind)
    assert flat is not None, "functions that may wait have few parameters"
    skipped = (len(params) - 1 if len(params) > len(flat) else 0) * SLOT

    def call(data: Any, *arguments: Any) -> None:
        cell.outcome = host(data, *arguments)

    def outcome(data: Any) -> object:
        found, cell.outcome = cell.outcome, None
        if isinstance(found, Failed):
            raise found.error
        return found

    lift = import_function(FuncType(kind.params, None), target, {**runtime, "HOST": call}, inner=False)
    lower = import_function(FuncType((), kind.result), target, {**runtime, "HOST": outcome}, inner=False)

    def begin(env: int, caller: int, address: int, count: int) -> int:
        failed: int = lift(env, caller, address, count)
        if failed:
            return failed
        waits = isinstance(cell.outcome, Coroutine)
        if waits and not may_suspend():
            cell.outcome.close()
            return carry(trap("a call that another component or a destructor makes cannot wait"))
        _one_at(address)[0] = waits
        return 0

    def finish(env: int, caller: int, address: int, count: int) -> int:
        failed: int = lower(env, caller, address + skipped, count)
        return failed

    return Gate(CoreFuncType(params, results), begin, finish)


@dataclass(slots=True)
class Failed:
    """What a coroutine raised, on its way to the guest that waits for it."""

    error: Exception


def gates_instance(gates: list[Gate], engine: Engine, linker: Linker) -> int:
    """The core module of all gates of a component, ready to be instantiated: it exports each under its number."""
    for number, each in enumerate(gates):
        linker.define(BEGIN, str(number), CoreFuncType(each.kind.params, ("i32",)), each.begin)
        linker.define(FINISH, str(number), each.kind, each.finish)
    return linker.prepare(engine.module(gates_module([each.kind for each in gates])))


def arming(table: int, slots: int, linker: Linker) -> Callable[[Instance], None]:
    """Makes an instance ready to wait: all its core instances (`slots`), and what suspends in the table of the gates,
    which is the extern `table`."""
    linker.define_suspend()

    def arm(instance: Instance) -> None:
        for slot in range(slots):
            instance.make(slot)
        fiber.arm(instance.store, linker, instance.funcs[table] or instance.find(table))

    return arm


def suspending_export(
    kind: FuncType, target: Target, core: CoreFuncType, runtime: dict[str, Any]
) -> Callable[..., Awaitable[Any]]:
    """`await call(instance, *args)`: as the generated function, on a fiber. `core`: the type of the core function."""

    def lowered(context: int, func: int, values: int, count: int, trap_address: int) -> int:
        return 0

    def called(context: int, func: int, values: int, count: int, trap_address: int) -> int:
        """The core function has been called; post-return has not."""
        return 0 if func == cell_func[0] else CALL_RUNTIME["CALL"](context, func, values, count, trap_address)

    cell_func = [0]
    number = target.function
    before = Target(target.context, target.component, target.encoding, number)
    lower = export_function(FuncType(kind.params, None), before, {**runtime, "CALL": lowered}, outermost=False)
    lift = export_function(FuncType((), kind.result), target, {**runtime, "CALL": called}, outermost=False)
    values = runtime["RAW"]

    async def call(instance: Instance, *arguments: Any) -> Any:
        outer = [instance.enter()]
        try:
            lower(instance, *arguments)
            func = instance.funcs[number] or instance.find(number)
            if not instance.store.waits:
                instance.linked.binding.arm(instance)
            running = FiberCall(instance.context, func, core, values)
            try:
                await _run(running, instance, outer)
                running.results(values)
            finally:
                running.close()
            cell_func[0] = func
            result = lift(instance)
            instance.state = 0
            return result
        finally:
            instance.leave(outer[0])

    return call


async def _run(running: FiberCall, instance: Instance, outer: list[object]) -> None:
    """Runs the call to its end. Only while the guest runs is its instance the current one, and its time spent.
    `outer` holds which was the current one before, and is changed with it."""
    cell, limit = instance.linked.cell, instance.linked.limits.time
    spent = 0.0
    while True:
        started = perf_counter()
        if running.poll():
            return
        spent += perf_counter() - started
        waiting, cell.outcome = cell.outcome, None
        cell.current = outer[0]
        try:
            outcome: object = await waiting
        except Exception as error:
            outcome = Failed(error)
        finally:
            outer[0], cell.current = cell.current, instance
        if spent >= limit:
            raise Trap(TrapKind.TIMEOUT, "time limit exceeded")
        cell.outcome = outcome
        instance.store.resume_clock(limit - spent)
