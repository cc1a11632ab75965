"""Core functions that may block, and the core module of their gates.

A gate is a small Wasm function of ours around three of the host's: `begin` answers at once or says that it blocks, then
`suspend` is called, and when the thread goes on `finish` answers. So a guest is suspended only where nothing of the
interpreter lies on its stack. What suspends is called through a table of one, exported, that is filled before the
instance first waits: with that function in it, an instance of wasmtime's only takes others on a slower way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from proxy.component.binary.writing import body, functype, leb, module, name
from proxy.component.handles import trap
from proxy.component.tasks.thread import Block
from proxy.sandbox import CoreFuncType, Engine, HostCallback, Linker, carry, fiber, raw_values_at

if TYPE_CHECKING:
    from proxy.component.instance import Cell, Instance

BEGIN, SUSPEND, FINISH = "begin", "suspend", "finish"

_FUNC, _TABLE = b"\x00", b"\x01"
_TABLE_OF_ONE = b"\x70\x00\x01"
_IF, _ELSE, _END, _DROP = b"\x04", b"\x05", b"\x0b", b"\x1a"
_SUSPEND = b"\x41\x00\x11\x00\x00"

Core = Callable[["Instance", Any], Any]
"""core(instance, slots): the raw result, what writes it, None without one, or a Block."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The host's part of one function that may block, and the type of what the guest calls."""

    kind: CoreFuncType
    begin: HostCallback
    finish: HostCallback


def _answer(slots: Any, outcome: Any) -> None:
    if callable(outcome):
        outcome(slots)
    elif outcome is not None:
        slots[0] = outcome


def direct(kind: CoreFuncType, core: Core, cell: Cell) -> HostCallback:
    """A function that never blocks, without a gate."""
    slots_at = raw_values_at(max(len(kind.params), len(kind.results)))

    def callback(env: int, caller: int, address: int) -> int:
        try:
            slots = slots_at[address]
            _answer(slots, core(cell.current, slots))
        except BaseException as error:
            return carry(error)
        return 0

    return callback


def gate(kind: CoreFuncType, core: Core, component: int, cell: Cell) -> Gate:
    """A function that may block, called by the component instance with this number."""
    flag = 2 * len(kind.results)
    slots_at = raw_values_at(max(len(kind.params), len(kind.results) + 1))

    def begin(env: int, caller: int, address: int) -> int:
        try:
            slots, instance = slots_at[address], cell.current
            outcome = core(instance, slots)
            blocks = type(outcome) is Block
            if blocks:
                thread = instance.components[component].thread
                if thread is None:
                    raise trap("a start function cannot wait")
                thread.suspend(outcome)
            else:
                _answer(slots, outcome)
            slots[flag] = blocks
        except BaseException as error:
            return carry(error)
        return 0

    def finish(env: int, caller: int, address: int) -> int:
        try:
            _answer(slots_at[address], cell.current.components[component].thread.resumed())
        except BaseException as error:
            return carry(error)
        return 0

    return Gate(kind, begin, finish)


def gates_instance(gates: Sequence[Gate], engine: Engine, linker: Linker) -> int:
    """The core module of all gates of a component, ready to be instantiated: it exports each under its number."""
    for number, each in enumerate(gates):
        linker.define(BEGIN, str(number), CoreFuncType(each.kind.params, (*each.kind.results, "i32")), each.begin)
        linker.define(FINISH, str(number), CoreFuncType((), each.kind.results), each.finish)
    return linker.prepare(engine.module(gates_module([each.kind for each in gates])))


def arming(table: int, slots: int, linker: Linker) -> Callable[[Instance], None]:
    """Makes an instance ready to wait: all its core instances (`slots`), and what suspends in the table of the gates,
    which is the extern `table`."""
    linker.define_suspend()

    def arm(instance: Instance) -> None:
        for slot in range(slots):
            instance.make(slot)
        fiber.arm(instance.store, linker, instance.address(table))

    return arm


def gates_module(kinds: Sequence[CoreFuncType]) -> bytes:
    """For each gate imports (begin "n"), which gives the results and whether it blocks, and (finish "n"), and exports
    "n". Exports the table too."""
    types = [functype((), ())]
    imports: list[bytes] = []
    for number, kind in enumerate(kinds):
        first = len(types)
        types += [functype(kind.params, (*kind.results, "i32")), functype((), kind.results)]
        types += [functype(kind.results, kind.results), functype(kind.params, kind.results)]
        imports.append(name(BEGIN) + name(str(number)) + _FUNC + leb(first))
        imports.append(name(FINISH) + name(str(number)) + _FUNC + leb(first + 1))
    count = len(imports)
    exports = [name(str(number)) + _FUNC + leb(count + number) for number in range(len(kinds))]
    exports.append(name(SUSPEND) + _TABLE + leb(0))
    functions = [leb(4 * number + 4) for number in range(len(kinds))]
    bodies = [body(_gate(number, kind)) for number, kind in enumerate(kinds)]
    return module([(1, types), (2, imports), (3, functions), (4, [_TABLE_OF_ONE]), (7, exports), (10, bodies)])


def _gate(number: int, kind: CoreFuncType) -> bytes:
    """(call $begin params…) (if (param results) (result results) (then drop… suspend (call $finish)) (else))."""
    given = b"".join(b"\x20" + leb(index) for index in range(len(kind.params)))
    waits = _DROP * len(kind.results) + _SUSPEND + _call(2 * number + 1)
    return given + _call(2 * number) + _IF + _signed(4 * number + 3) + waits + _ELSE + _END


def _call(function: int) -> bytes:
    return b"\x10" + leb(function)


def _signed(index: int) -> bytes:
    """The index of a block's type, which is written as a signed number."""
    return bytes([index]) if index < 64 else bytes([index & 0x7F | 0x80]) + _signed(index >> 7)
