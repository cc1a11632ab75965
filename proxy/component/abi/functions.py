"""Generates the functions of a function type: calling an export, being called as an import, and the halves of both.

The halves are for calls that may block between them (proxy.component.tasks).

What they use at run time is given by name (`runtime`), so that this module stays free of the engine:
  instance    the instance: `enter()`, `leave(previous)`, `contexts` or `open(number)`, `funcs` or `find(number)`, …
  cx          one of its contexts: `memory`, `realloc`, `left`, handles
  CALL …      proxy.sandbox.CALL_RUNTIME
  carry       what a callback returns when it failed
  HANDLE      proxy.component.handles.Handle
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from proxy.component import types as t
from proxy.component.abi import layout
from proxy.component.abi.code import Code
from proxy.component.abi.lift import Lift, needs_budget
from proxy.component.abi.lower import MISMATCH, RUNTIME, Lower
from proxy.component.abi.places import FLAT_LIFT, FLAT_LOWER, MEMORY, MemoryPlace


@dataclass(frozen=True, slots=True)
class Target:
    """The canonical options of one lift or lower, as numbers of an instance's tables."""

    context: int
    component: int
    encoding: str
    function: int = 0
    post_return: int | None = None
    threaded: bool = False
    """Whether the component instance asks which of its threads runs (context.get, and whatever may block)."""
    is_async: bool = False
    """Of a lower: the caller asks for a subtask."""
    joined: int | None = None
    """Of a lift: what calls the function, and where its result is a variant's first case, without payload, the
    post-return too, and gives -1 then."""


BORROWS = (t.Borrow,)

RETURNED = 2
"""What a call of a function lowered with the option async gives when it is over (Subtask.State)."""


def _trap_on_bad_text(code: Code) -> None:
    """Ends a `try:` around lifting: text that does not decode is the guest's fault."""
    with code.block("except UnicodeDecodeError as error:"):
        code.line("raise trap('string is not valid: %s' % error.reason) from None")


def _budget(code: Code, kinds: list[t.ValueType]) -> bool:
    budget = needs_budget(kinds)
    if budget:
        code.line("left = cx.left")
    return budget


def export_function(kind: t.FuncType, target: Target, runtime: dict[str, Any], *, outermost: bool) -> Any:
    """`call(instance, *args)`: lowers, calls, lifts (canon lift). The raw values go through `RAW`, a buffer
    that `START` and `COUNT` stand for in calls.

    `outermost` is for calls from the host, which enter the instance; calls from another component in it do not."""
    code = Code(RUNTIME | runtime | {"MISMATCH": MISMATCH})
    args = [f"a{index}" for index in range(len(kind.params))]
    with code.block(f"def call({', '.join(['instance', *args])}):"):
        if not outermost:
            outlined = _export_body(code, kind, target, args, "pass")
            code.line("return result")
        else:
            code.line("previous = instance.enter()")
            with code.block("try:"):
                outlined = _export_body(code, kind, target, args, "instance.state = 0")
                code.line("instance.state = 0")
                code.line("return result")
            with code.block("finally:"):
                code.line("instance.leave(previous)")
    return code.function("call", outlined)


def _export_body(code: Code, kind: t.FuncType, target: Target, args: list[str], on_mismatch: str) -> list[Code]:
    kinds = [part for _, part in kind.params]
    borrows = any(t.contains(part, BORROWS) for part in kinds)
    lower = Lower(code, target.encoding)
    if target.threaded:
        code.line(f"state = instance.components[{target.component}]")
        code.line("outer = state.thread, state.storage")
        code.line("state.thread, state.storage = SYNC_THREAD, [0, 0]")
    _context(code, layout.needs(kind, lifted=True), target)
    if borrows:
        code.line("scope = cx.scope()")
    if kinds:
        with code.block("try:"):
            _lower_params(code, lower, kind, kinds, args)
        with code.block("except MISMATCH as error:"):
            code.line(on_mismatch)
            code.line("raise mismatch(error) from error")
    _call(code, target.function)
    lift = _lift_result(code, kind, target)
    if borrows:
        code.line("scope.close()")
    _post_return(code, target)
    if target.threaded:
        code.line("state.thread, state.storage = outer")
    return [*lower.outlined, *lift.outlined]


def _post_return(code: Code, target: Target) -> None:
    if target.post_return is not None:
        code.line(f"instance.components[{target.component}].may_leave = False")
        _call(code, target.post_return)
        code.line(f"instance.components[{target.component}].may_leave = True")


def _context(code: Code, needs: layout.Needs, target: Target) -> None:
    """Only what the type makes use of."""
    if needs.memory or needs.handles:
        code.line(f"cx = instance.contexts[{target.context}] or instance.open({target.context})")
    if needs.memory:
        code.line("memory = cx.memory")
    if needs.realloc:
        code.line("realloc = cx.realloc")


def _call(code: Code, function: int) -> None:
    """Calls the core function on the raw values in RAW."""
    found = f"instance.funcs[{function}] or instance.find({function})"
    code.line(f"error = CALL(instance.context, {found}, START, COUNT, TRAP_ARGUMENT)")
    with code.block("if error or TRAP[0]:"):
        code.line("raise failure(error)")


def _lower_params(code: Code, lower: Lower, kind: t.FuncType, kinds: list[t.ValueType], args: list[str]) -> None:
    if layout.flat_params(kind) is not None:
        lower.values(kinds, args, FLAT_LOWER, "RAW", "0")
    else:
        together = kind.together()
        code.line(f"pointer = realloc({layout.alignment(together)}, {layout.size(together)})")
        lower.values(kinds, args, MEMORY, "memory.view", "pointer")
        code.line("RAW[0] = pointer")


def _lift_result(code: Code, kind: t.FuncType, target: Target) -> Lift:
    kinds = [] if kind.result is None else [kind.result]
    lift = Lift(code, target.encoding, budget=_budget(code, kinds))
    if kind.result is None:
        code.line("result = None")
        return lift
    with code.block("try:"):
        if layout.flat_result(kind) is not None:
            (value,) = lift.values(kinds, FLAT_LIFT, "RAW", "0")
        else:
            code.line("pointer = RAW[0] & 0xFFFFFFFF")
            _check_pointer(code, "pointer", kind.result)
            (value,) = lift.values(kinds, MEMORY, "memory.view", "pointer")
        code.line(f"result = {value}")
    _trap_on_bad_text(code)
    return lift


def _check_pointer(code: Code, pointer: str, kind: t.ValueType) -> None:
    alignment = layout.alignment(kind)
    if alignment > 1:
        with code.block(f"if {pointer} & {alignment - 1}:"):
            code.line("raise trap('unaligned pointer')")
    with code.block(f"if {pointer} + {layout.size(kind)} > memory.size:"):
        code.line(f"memory.reach({pointer} + {layout.size(kind)})")


def import_function(kind: t.FuncType, target: Target, runtime: dict[str, Any], *, inner: bool) -> Any:
    """`callback(env, caller, address)`: lifts, calls `HOST`, lowers (canon lower). `SLOTS[address]` is the
    buffer of raw values, `CELL.current` the instance that is running. HOST gets the instance when `inner`, else the
    instance's data."""
    code = Code(RUNTIME | runtime)
    kinds = [part for _, part in kind.params]
    seen = not inner and not any(t.contains(part, (t.Own,)) for part in kinds)
    borrows = any(resource.implementer is not None or not seen for resource in _borrowed(kinds))
    lower = Lower(code, target.encoding)
    with code.block("def callback(env, caller, address):"):
        with code.block("try:"):
            code.line("instance = CELL.current")
            with code.block(f"if not instance.components[{target.component}].may_leave:"):
                code.line("raise trap('cannot leave component instance')")
            _context(code, layout.needs(kind, lifted=False, is_async=target.is_async), target)
            code.line("slots = SLOTS[address]")
            if borrows:
                code.line("lends = []")
            lift = Lift(code, target.encoding, budget=_budget(code, kinds), seen=seen)
            values = _lift_params(code, lift, kind, kinds, target)
            first = "instance" if inner else "instance.data"
            code.line(f"result = HOST({', '.join([first, *values])})")
            if borrows:
                with code.block("for handle in lends:"):
                    code.line("handle.lends -= 1")
            _lower_result(code, lower, kind, target)
        with code.block("except BaseException as error:"):
            code.line("return carry(error)")
        code.line("return 0")
    return code.function("callback", [*lift.outlined, *lower.outlined])


def _borrowed(kinds: list[t.ValueType]) -> Iterator[t.ResourceType]:
    for kind in kinds:
        if isinstance(kind, t.Borrow):
            yield kind.resource
        elif isinstance(kind, t.Composite):
            yield from _borrowed(list(kind.parts()))


def _lift_params(code: Code, lift: Lift, kind: t.FuncType, kinds: list[t.ValueType], target: Target) -> list[str]:
    if not kinds:
        return []
    with code.block("try:"):
        place: MemoryPlace = FLAT_LIFT
        limit = layout.MAX_FLAT_ASYNC_PARAMS if target.is_async else layout.MAX_FLAT_PARAMS
        if layout.flat_params(kind, limit) is not None:
            values = lift.values(kinds, place, "slots", "0")
        else:
            code.line("pointer = slots[0] & 0xFFFFFFFF")
            _check_pointer(code, "pointer", kind.together())
            values = lift.values(kinds, MEMORY, "memory.view", "pointer")
        names = [value if value.isidentifier() else code.bind(value) for value in values]
    _trap_on_bad_text(code)
    return names


def _lower_result(code: Code, lower: Lower, kind: t.FuncType, target: Target) -> None:
    if kind.result is not None:
        if not target.is_async and layout.flat_result(kind) is not None:
            lower.values([kind.result], ["result"], FLAT_LOWER, "slots", "0")
            return
        last = len(layout.lowered_signature(kind, is_async=target.is_async)[0]) - 1
        code.line(f"pointer = slots[{2 * last}] & 0xFFFFFFFF")
        _check_pointer(code, "pointer", kind.result)
        lower.values([kind.result], ["result"], MEMORY, "memory.view", "pointer")
    if target.is_async:
        code.line(f"slots[0] = {RETURNED}")


# The halves.


def params_lowerer(kind: t.FuncType, target: Target, runtime: dict[str, Any]) -> Any:
    """`lower(instance, scope, args)`: the arguments into RAW, what they borrow in `scope`."""
    code = Code(RUNTIME | runtime | {"MISMATCH": MISMATCH})
    kinds = [part for _, part in kind.params]
    args = [f"a{index}" for index in range(len(kinds))]
    lower = Lower(code, target.encoding)
    with code.block("def lower(instance, scope, args):"):
        _context(code, layout.needs(kind, lifted=True, is_async=True), target)
        code.line("".join(f"{name}, " for name in args) + "= args" if args else "pass")
        if kinds:
            with code.block("try:"):
                _lower_params(code, lower, kind, kinds, args)
            with code.block("except MISMATCH as error:"):
                code.line("raise mismatch(error) from error")
    return code.function("lower", lower.outlined)


def result_lifter(kind: t.FuncType, target: Target, runtime: dict[str, Any]) -> Any:
    """`lift(instance)`: the result from RAW."""
    code = Code(RUNTIME | runtime)
    with code.block("def lift(instance):"):
        _context(code, layout.needs(t.FuncType((), kind.result), lifted=True), target)
        lift = _lift_result(code, kind, target)
        code.line("return result")
    return code.function("lift", lift.outlined)


def params_lifter(kind: t.FuncType, target: Target, runtime: dict[str, Any]) -> Any:
    """`lift(instance, slots, lends)`: the arguments from raw values, the handles they borrow added to `lends`."""
    code = Code(RUNTIME | runtime)
    kinds = [part for _, part in kind.params]
    with code.block("def lift(instance, slots, lends):"):
        _context(code, layout.needs(kind, lifted=False, is_async=target.is_async), target)
        lift = Lift(code, target.encoding, budget=_budget(code, kinds))
        values = _lift_params(code, lift, kind, kinds, target)
        code.line(f"return ({''.join(f'{value}, ' for value in values)})")
    return code.function("lift", lift.outlined)


def result_lowerer(kind: t.FuncType, target: Target, runtime: dict[str, Any]) -> Any:
    """`lower(instance, result, slots, pointer)`: the result into raw values, or to where the pointer says."""
    code = Code(RUNTIME | runtime)
    lower = Lower(code, target.encoding)
    with code.block("def lower(instance, result, slots, pointer):"):
        _context(code, layout.needs(t.FuncType((), kind.result), lifted=False, is_async=target.is_async), target)
        if kind.result is None:
            code.line("pass")
        elif not target.is_async and layout.flat_result(kind) is not None:
            lower.values([kind.result], ["result"], FLAT_LOWER, "slots", "0")
        else:
            _check_pointer(code, "pointer", kind.result)
            lower.values([kind.result], ["result"], MEMORY, "memory.view", "pointer")
    return code.function("lower", lower.outlined)


# Elements of streams and futures.


def elements_loader(element: t.ValueType, encoding: str, runtime: dict[str, Any]) -> Any:
    """`load(cx, pointer, count)`: so many values from memory, where they are known to fit."""
    code = Code(RUNTIME | runtime)
    with code.block("def load(cx, pointer, count):"):
        code.line("memory = cx.memory; memory.refresh()")
        lift = Lift(code, encoding, budget=_budget(code, [t.List(element)]))
        code.line(f"total = count * {layout.size(element)}")
        with code.block("try:"):
            result = lift.elements(element, "pointer", "total")
            code.line(f"return {result}")
        _trap_on_bad_text(code)
    return code.function("load", lift.outlined)


def elements_storer(element: t.ValueType, encoding: str, runtime: dict[str, Any]) -> Any:
    """`store(cx, pointer, values)`: values into memory, where they are known to fit."""
    code = Code(RUNTIME | runtime)
    with code.block("def store(cx, pointer, values):"):
        code.line("memory = cx.memory; memory.refresh(); realloc = cx.realloc; scope = None")
        lower = Lower(code, encoding)
        lower.elements(element, "values", "pointer")
    return code.function("store", lower.outlined)
