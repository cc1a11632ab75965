"""The part of a binding that has to do with tasks: functions that are lifted or lowered asynchronously, and the
built-ins of the asynchronous ABI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn

from proxy.component import core_functions
from proxy.component.abi import layout
from proxy.component.abi.functions import (
    elements_loader,
    elements_storer,
    params_lifter,
    params_lowerer,
    result_lifter,
    result_lowerer,
)
from proxy.component.binding import LinkError
from proxy.component.gate import Core, direct
from proxy.component.handles import Handle, trap
from proxy.component.plan import Builtin, CoreDefinition, Func, ImportedFunc, LiftedFunc, Lowered, Options, Plan
from proxy.component.tasks import builtins
from proxy.component.tasks.buffer import BYTES, ElementType
from proxy.component.tasks.builtins import BUILTINS, Bound
from proxy.component.tasks.host import blocking_call, host_callee
from proxy.component.tasks.subtask import Callee, LoweredCall, canon_lower
from proxy.component.tasks.task import Lifted, canon_lift
from proxy.component.types import Borrow, FuncType, Future, Stream, contains
from proxy.sandbox import CoreFuncType, HostCallback

if TYPE_CHECKING:
    from proxy.component.bind import Binder
    from proxy.component.instance import Cell, Instance
    from proxy.component.link import HostInterface
    from proxy.component.tasks.scheduler import Call

CALLBACK = CoreFuncType(("i32",) * 3, ("i32",))


class TaskBinder:
    """Works for a Binder, which numbers what it asks for."""

    def __init__(self, binder: Binder, plan: Plan, hosts: dict[str, HostInterface], *, suspends: bool) -> None:
        self._binder = binder
        self._plan = plan
        self._hosts = hosts
        self._suspends = suspends
        self._lifted: dict[LiftedFunc, Lifted] = {}
        definitions = list(_definitions(plan))
        self._cancels_guests = {
            item.options.component_instance
            for item in definitions
            if isinstance(item, Lowered) and item.options.is_async and isinstance(item.func, LiftedFunc)
        }
        """Component instances whose subtasks may be of a guest, which ends when it will; the host's end at once."""
        self.on_fibers = {owner for item in definitions if (owner := self._blocker(item)) is not None}
        """Component instances that import something that blocks."""
        self.threaded = self.on_fibers | {
            item.component_instance for item in definitions if isinstance(item, Builtin)
        }  # fmt: skip
        """Component instances for which it is kept which of their threads runs."""

    def _blocker(self, definition: CoreDefinition) -> int | None:
        """The component instance that a definition may block in, None if it cannot."""
        if isinstance(definition, Builtin) and definition.name in BUILTINS:
            owner = definition.component_instance
            at_once = definition.name == "subtask.cancel" and owner not in self._cancels_guests
            return owner if builtins.blocks(definition) and not at_once else None
        if not isinstance(definition, Lowered) or definition.options.is_async:
            return None
        if definition.func.type.is_async or self._host_blocks(definition.func):
            return definition.options.component_instance
        return None

    def _host_blocks(self, func: Func) -> bool:
        """Whether it is one of the host's for which the host itself waits."""
        if not (self._suspends and isinstance(func, ImportedFunc)):
            return False
        host = self._hosts.get(func.interface)
        return host is not None and func.name in host.suspending

    def blocks(self, definition: CoreDefinition) -> bool:
        return self._blocker(definition) is not None

    # Lifted functions.

    def is_task(self, func: LiftedFunc) -> bool:
        """Whether calls of it by other components are tasks of their own: it may block."""
        return func.type.is_async

    def lifted(self, name: str, func: LiftedFunc) -> Lifted:
        if func not in self._lifted:
            self._lifted[func] = self._lift(name, func)
        return self._lifted[func]

    def _lift(self, name: str, func: LiftedFunc) -> Lifted:
        binder, options = self._binder, func.options
        runtime, target = binder.export_runtime(name, func), binder.target(func)
        has_callback = options.callback is not None
        params, results = layout.lifted_signature(func.type)
        if options.is_async:
            params, results = layout.async_lifted_signature(func.type, callback=has_callback)
        callback = binder.externs.function(options.callback, CALLBACK, "a callback") if has_callback else None
        return Lifted(
            type=func.type,
            options=options,
            component=target.component,
            lineage=tuple(map(binder.component, self._plan.lineage(options.component_instance))),
            function=target.function,
            core=CoreFuncType(params, results),
            callback=callback,
            post_return=target.post_return,
            values=runtime["VALUES"],
            lower_params=params_lowerer(func.type, target, runtime),
            lift_result=_no_result if options.is_async else result_lifter(func.type, target, runtime),
            on_fibers=options.component_instance in self.on_fibers,
        )

    def export(self, name: str, func: LiftedFunc) -> Callable[..., Awaitable[Any]]:
        """A lifted function as one that is awaited: `await call(instance, *args)`, or `call.start(instance, *args)` for
        the Call itself, with `data` in the place of the instance's, and with `on_result` (Call)."""
        if not func.type.is_async and any(contains(kind, (Borrow,)) for kind in func.type.values()):
            raise LinkError(f"{name} is given borrowed handles, which a function that waits is not supported to be")
        lifted = self.lifted(name, func)

        def start(
            instance: Instance, *arguments: Any, data: Any = None, on_result: Callable[[Any], Any] | None = None
        ) -> Call:
            return instance.scheduler.start(lifted, arguments, data, on_result)

        async def call(instance: Instance, *arguments: Any) -> Any:
            return await instance.scheduler.result_of(start(instance, *arguments))

        call.start = start  # type: ignore[attr-defined]
        return call

    # Lowered functions.

    def is_call(self, definition: Lowered) -> bool:
        """Whether a lowered function is one of those here."""
        func = definition.func
        if func.type.is_async or self._host_blocks(func):
            return True
        return definition.options.is_async and isinstance(func, ImportedFunc)

    def lower(self, definition: Lowered) -> Core:
        func, options = definition.func, definition.options
        target, runtime = self._binder.import_parts(func.type, options)
        lift_params = params_lifter(func.type, target, runtime)
        lower_result = result_lowerer(func.type, target, runtime)
        if not func.type.is_async and not options.is_async:
            params, results = layout.lowered_signature(func.type)
            pointer = 2 * (len(params) - 1) if func.type.result is not None and not results else None
            return blocking_call(self._host(func), target.component, lift_params, lower_result, pointer)
        callee = self._callee(func, options.component_instance)
        return canon_lower(LoweredCall(func.type, options, target.component, callee, lift_params, lower_result))

    def _host(self, func: Func) -> Callable[..., object]:
        assert isinstance(func, ImportedFunc)
        if func.interface not in self._hosts:
            raise LinkError(f"{func.name!r} of a component type is called")
        return self._hosts[func.interface].functions[func.name]

    def _callee(self, func: Func, caller: int) -> Callee:
        if isinstance(func, ImportedFunc):
            return host_callee(self._host(func))
        callee = func.options.component_instance
        if caller in self._plan.lineage(callee) or callee in self._plan.lineage(caller):
            return _no_entry
        lifted = self.lifted("a function of a nested component", func)
        lineage = tuple(map(self._binder.component, self._plan.lineage(caller)))

        def call(instance: Instance, on_start: Any, on_resolve: Any) -> Callable[[], None]:
            task = canon_lift(instance, lifted, on_start, on_resolve)
            return lambda: task.request_cancellation(lineage)

        return call

    # Built-ins.

    def core(self, definition: Builtin | Lowered) -> tuple[CoreFuncType, Core]:
        """Of what may block, and of calls that may take their time."""
        if isinstance(definition, Builtin):
            return BUILTINS[definition.name].core, builtins.core(self._bound(definition))
        is_async = definition.options.is_async
        kind = CoreFuncType(*layout.lowered_signature(definition.func.type, is_async=is_async))
        return kind, self.lower(definition)

    def callback(self, definition: Builtin, wanted: CoreFuncType, cell: Cell) -> tuple[CoreFuncType, HostCallback]:
        """A built-in that does not block. `wanted`: what a core module imports it as, which the engine has checked."""
        if definition.name not in BUILTINS:
            core = builtins.unsupported(definition, self._binder.component(definition.component_instance))
            return wanted, direct(wanted, core, cell)
        return BUILTINS[definition.name].core, builtins.callback(self._bound(definition), cell)

    def _bound(self, definition: Builtin) -> Bound:
        binder, component = self._binder, self._binder.component(definition.component_instance)
        element = None
        if isinstance(definition.type, Stream | Future):
            element = definition.type.element
            binder.reckon(FuncType((), definition.type))
        if definition.options is None:
            context = 0
            if definition.memory is not None:
                options = Options(definition.component_instance, "utf8", definition.memory, None, None, False, None)
                context = binder.context(options, layout.Needs(True, False, False))
            return Bound(definition, component, context, ElementType(element))
        reads = definition.name.endswith("read")
        needs = layout.needs(FuncType((), element), lifted=not reads)
        context = binder.context(definition.options, layout.Needs(element is not None, needs.realloc, False))
        if element is None or element in BYTES:
            return Bound(definition, component, context, ElementType(element))
        encoding, runtime = definition.options.encoding, {"trap": trap, "HANDLE": Handle}
        load, store = elements_loader(element, encoding, runtime), elements_storer(element, encoding, runtime)
        return Bound(definition, component, context, ElementType(element, load, store))


def _definitions(plan: Plan) -> list[CoreDefinition]:
    """What core modules are given."""
    return [
        item
        for made in plan.core_instances
        for bag in made.args.values()
        if not isinstance(bag, int)
        for _, item in bag.values()
    ]


def _no_entry(instance: Instance, on_start: object, on_resolve: object) -> NoReturn:
    core_functions.no_entry(instance)


def _no_result(instance: Instance) -> None:
    """Of a function that gives its result to task.return."""
