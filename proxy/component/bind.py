"""A plan bound to an engine: core modules compiled, host functions made, what an instance has to do laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy.component import core_functions
from proxy.component.abi import layout
from proxy.component.abi.functions import Target, export_function, import_function
from proxy.component.batch import BATCHES, batch_module
from proxy.component.binary.core_module import acts_when_instantiated, memory_minimums
from proxy.component.binary.definitions import Sort
from proxy.component.binary.inlaying import OWN_MEMORY
from proxy.component.binary.rewindable import Rewindable
from proxy.component.bind_tasks import CALLBACK, TaskBinder
from proxy.component.binding import Binding, Kept, LinkError, Maker
from proxy.component.externs import Externs
from proxy.component.gate import SUSPEND, Gate, arming, direct, gate, gates_instance
from proxy.component.handles import Handle, trap
from proxy.component.inlay import Inlay
from proxy.component.instance import Cell, ContextPlan, Instance
from proxy.component.plan import (
    Builtin,
    CoreDefinition,
    CoreExport,
    CoreInstance,
    Func,
    LiftedFunc,
    Lowered,
    Options,
    Plan,
    ResourceOperation,
    TaskReturn,
)
from proxy.component.shims import elide
from proxy.component.tasks.thread import SYNC_THREAD
from proxy.component.types import Composite, FuncType, Own, ResourceType
from proxy.sandbox import (
    CALL_RUNTIME,
    CoreFuncType,
    Engine,
    HostCallback,
    ImportSource,
    Limits,
    Linker,
    Module,
    RawValues,
    StoreLayout,
    carry,
    raw_values_at,
)

if TYPE_CHECKING:
    from proxy.component.link import HostInterface

MAX_COST = 20_000
"""Of the types of all functions of a component together (`layout.cost`): bounds the source that is generated for it, to
about a second of work. WASI's worlds take a quarter of it."""

REALLOC = CoreFuncType(("i32",) * 4, ("i32",))
DESTRUCTOR = CoreFuncType(("i32",), ())
RESOURCE_FUNCTIONS = {
    "new": CoreFuncType(("i32",), ("i32",)),
    "rep": CoreFuncType(("i32",), ("i32",)),
    "drop": CoreFuncType(("i32",), ()),
}


ContextKey = tuple[int, CoreDefinition | None, CoreDefinition | None]
"""Component instance, memory and realloc."""


def _option_keys(plan: Plan) -> list[ContextKey]:
    """Memory and realloc of all canonical options in a plan."""
    funcs = [func for functions in plan.functions.values() for func in functions.values()]
    options = [func.options for func in funcs if isinstance(func, LiftedFunc)]
    for made in plan.core_instances:
        for bag in made.args.values():
            if not isinstance(bag, int):
                options += [item.options for _, item in bag.values() if isinstance(item, Lowered)]
    return list(dict.fromkeys((each.component_instance, each.memory, each.realloc) for each in options))


class Binder:
    """Numbers what instances need, as functions ask for it."""

    def __init__(
        self,
        plan: Plan,
        engine: Engine,
        limits: Limits,
        cell: Cell,
        hosts: Mapping[str, HostInterface],
        *,
        suspends: bool = False,
        rewindable: Sequence[Rewindable] | None = None,
        inlay: Inlay | None = None,
    ) -> None:
        """rewindable: what the modules of the plan were, if instances are to be put back to how they were made.
        inlay: what has functions of ours in it."""
        self._plan = plan
        self._rewindable = rewindable
        self._inlay = inlay
        self._inlaid = None if inlay is None else inlay.slot
        self.tasks = TaskBinder(self, plan, dict(hosts), suspends=suspends)
        self._engine = engine
        self._cell = cell
        self._hosts = hosts
        self._elided = elide(plan, forwards=not self.tasks.on_fibers)
        self._modules: list[Module] = [engine.module(data) for data in plan.modules]
        self.externs = Externs(plan, self._modules, self._elided)
        self._options = _option_keys(plan)
        self._contexts: dict[ContextKey, int] = {}
        self._components: dict[int, int] = {}
        self._batched: list[int | None] = []
        self._gates: dict[CoreDefinition, tuple[int, Gate]] = {}
        self._gates_slot = 0
        self._context_plans: list[ContextPlan] = []
        self._callbacks: dict[CoreDefinition, tuple[CoreFuncType, HostCallback]] = {}
        self._destructors: dict[ResourceType, int | None] = {}
        self._needed: set[int] = set()
        self._cost = 0
        self._memories = self._count_memories(limits)

    def _count_memories(self, limits: Limits) -> int:
        minimums: list[int] = []
        for slot, made in enumerate(self._plan.core_instances):
            if slot not in self._elided.gone:
                of_module = memory_minimums(self._plan.modules[made.module])
                minimums += of_module[:-1] if slot == self._inlaid else of_module  # the last one is ours
        count = max(1, len(minimums))
        if any(minimum > limits.memory // count for minimum in minimums):
            shared = f", shared by {count} memories" if count > 1 else ""
            raise LinkError(
                f"the component starts with {sum(minimums)} bytes of memory; its limit is {limits.memory}{shared}"
            )
        return count

    def context(self, options: Options, needs: layout.Needs) -> int:
        """The number of the context for these options. Options that agree in memory and realloc share one, and those
        that leave out what their function does not need share that of others: an instance then makes fewer."""
        if needs.memory and options.memory is None:
            raise LinkError("a function has strings, lists or too many values, but the option memory is missing")
        if needs.realloc and options.realloc is None:
            raise LinkError("a function is given strings or lists, but the option realloc is missing")
        key = self._fullest(options)
        if key not in self._contexts:
            memory = None if key[1] is None else self.externs.memory(key[1])
            realloc = None if key[2] is None else self.externs.function(key[2], REALLOC, "realloc")
            self._contexts[key] = len(self._context_plans)
            batches = None if realloc is None else self._batches(realloc)
            self._context_plans.append(ContextPlan(self.component(key[0]), memory, realloc, batches))
        return self._contexts[key]

    def _batches(self, realloc: int) -> int:
        """Numbers for the functions of a batch module around a realloc: it is one more core instance, made when
        used."""
        slot = len(self._plan.core_instances) + len(self._batched)
        self._batched.append(realloc)
        first = len(self.externs.names)
        self.externs.names += [(slot, str(count).encode()) for count in BATCHES]
        return first

    def _fullest(self, options: Options) -> ContextKey:
        own = (options.component_instance, options.memory, options.realloc)
        if own[1] is not None and own[2] is not None:
            return own
        for other in self._options:
            if other[0] == own[0] and other[2] is not None and own[1] in (None, other[1]):
                return other
        return own

    def component(self, number: int) -> int:
        """A component instance by its number among those that hold state."""
        return self._components.setdefault(number, len(self._components))

    # Component functions.

    def target(self, func: LiftedFunc) -> Target:
        """The options of a lifted function as numbers. Checks the type of its core function."""
        options, is_async = func.options, func.options.is_async
        params, results = layout.lifted_signature(func.type)
        if is_async:
            params, results = layout.async_lifted_signature(func.type, callback=options.callback is not None)
        function = self.externs.function(func.core, CoreFuncType(params, results), "an exported function")
        post = None
        if options.post_return is not None:
            post = self.externs.function(options.post_return, CoreFuncType(results, ()), "post-return")
        core = self._elided.behind(func.core)
        assert isinstance(core, CoreExport)
        self._needed.add(core.instance)
        for resource in _owned(func.type):
            self._destroyer(resource)
        context = self.context(options, layout.needs(func.type, lifted=True, is_async=is_async))
        component = self.component(options.component_instance)
        threaded = options.component_instance in self.tasks.threaded
        return Target(context, component, options.encoding, function, post, threaded, joined=self._joined(core))

    def _joined(self, core: CoreExport) -> int | None:
        """What calls an export, and its post-return if nothing is to be lifted."""
        joined = None if self._inlay is None or core.instance != self._inlaid else self._inlay.joined.get(core.name)
        if joined is None:
            return None
        return self.externs.function(
            CoreExport(core.instance, joined.name), CoreFuncType((), ("i32",)), "what is joined"
        )

    def export_runtime(self, name: str, func: LiftedFunc) -> dict[str, Any]:
        """What the generated caller of a lifted function uses."""
        self.reckon(func.type)
        values = RawValues(max(len(CALLBACK.params), *map(len, layout.lifted_signature(func.type))))

        def mismatch(error: Exception) -> TypeError:
            return TypeError(f"an argument of {name} is not of its type {func.type}: {error}")

        raw = {"VALUES": values, "RAW": values.buffer, "START": values.start, "COUNT": values.count}
        return {**raw, "mismatch": mismatch, "trap": trap, "HANDLE": Handle, "SYNC_THREAD": SYNC_THREAD, **CALL_RUNTIME}

    def reckon(self, func: FuncType) -> None:
        if any(kind.size > MAX_COST for kind in func.values()):
            raise LinkError("the types of the component's functions are too large")
        self._cost += sum(map(layout.cost, func.values()))
        if self._cost > MAX_COST:
            raise LinkError("the types of the component's functions are too large")

    def _host(self, func: Func, caller: int) -> tuple[Callable[..., object], bool]:
        """What a function that the component instance `caller` lowered calls, and whether that wants the instance
        rather than its data."""
        if isinstance(func, LiftedFunc):
            callee = func.options.component_instance
            if caller in self._plan.lineage(callee) or callee in self._plan.lineage(caller):
                return core_functions.no_entry, True
            runtime = self.export_runtime("a function of a nested component", func)
            return export_function(func.type, self.target(func), runtime, outermost=False), True
        if func.interface not in self._hosts:
            raise LinkError(f"{func.name!r} of a component type is called")
        return self._hosts[func.interface].functions[func.name], False

    def _callback(self, definition: CoreDefinition, wanted: CoreFuncType) -> tuple[CoreFuncType, HostCallback]:
        """A host function for a core definition that is not an export at hand, and its type."""
        if definition not in self._callbacks:
            self._callbacks[definition] = self._new_callback(definition, wanted)
        return self._callbacks[definition]

    def _new_callback(self, definition: CoreDefinition, wanted: CoreFuncType) -> tuple[CoreFuncType, HostCallback]:
        if isinstance(definition, ResourceOperation):
            destroy = self._destroyer(definition.resource) if definition.operation == "drop" else None
            component = self.component(definition.component_instance)
            operation = core_functions.resource_operation(definition, component, self._cell, destroy)
            return RESOURCE_FUNCTIONS[definition.operation], operation
        if isinstance(definition, TaskReturn):
            return CoreFuncType(*layout.lowered_signature(definition.type)), self._task_return(definition)
        if isinstance(definition, Builtin):
            return self.tasks.callback(definition, wanted, self._cell)
        if isinstance(definition, Lowered) and self.tasks.is_call(definition):
            kind, core = self.tasks.core(definition)
            return kind, direct(kind, core, self._cell)
        if isinstance(definition, Lowered):
            is_async = definition.options.is_async
            kind = CoreFuncType(*layout.lowered_signature(definition.func.type, is_async=is_async))
            return kind, self._lowered(definition)
        number = self.externs.function(definition, wanted, "a function")
        return wanted, core_functions.forward(number, wanted, self._cell)

    def _lowered(self, definition: Lowered) -> HostCallback:
        func, options = definition.func, definition.options
        host, inner = self._host(func, options.component_instance)
        return self._import(func.type, options, host, inner=inner)

    def _gate(self, definition: CoreDefinition) -> tuple[CoreFuncType, int] | None:
        """The type and the number of the gate of a function that may block; None for another."""
        if not self.tasks.blocks(definition):
            return None
        assert isinstance(definition, Builtin | Lowered)
        if definition not in self._gates:
            if not self._gates:
                self._gates_slot = len(self._plan.core_instances) + len(self._batched)
                self._batched.append(None)
            number = len(self.externs.names)
            self.externs.names.append((self._gates_slot, str(len(self._gates)).encode()))
            kind, core = self.tasks.core(definition)
            caller = definition if isinstance(definition, Builtin) else definition.options
            made = gate(kind, core, self.component(caller.component_instance), self._cell)
            self._gates[definition] = number, made
        number, made = self._gates[definition]
        return made.kind, number

    def _task_return(self, definition: TaskReturn) -> HostCallback:
        kind, options = definition.type, definition.options
        result, component = kind.params[0][1] if kind.params else None, self.component(options.component_instance)

        def give(instance: Instance, value: object = None) -> None:
            thread = instance.components[component].thread
            if thread is None:
                raise trap("task.return outside of a task")
            thread.task.returns_by(result, options, value)

        return self._import(kind, replace(options, is_async=False), give, inner=True)

    def _import(self, kind: FuncType, options: Options, host: Callable[..., object], *, inner: bool) -> HostCallback:
        """What a guest calls: lifts, calls `host`, lowers."""
        target, runtime = self.import_parts(kind, options)
        callback: HostCallback = import_function(kind, target, {**runtime, "HOST": host}, inner=inner)
        return callback

    def import_parts(self, kind: FuncType, options: Options) -> tuple[Target, dict[str, Any]]:
        """What generated functions for a type and options use, but for HOST."""
        self.reckon(kind)
        is_async = options.is_async
        params, results = layout.lowered_signature(kind, is_async=is_async)
        context = self.context(options, layout.needs(kind, lifted=False, is_async=is_async))
        target = Target(context, self.component(options.component_instance), options.encoding, is_async=is_async)
        slots = raw_values_at(max(len(params), len(results)))
        return target, {"SLOTS": slots, "CELL": self._cell, "carry": carry, "trap": trap, "HANDLE": Handle}

    # Resources.

    def _destroyer(self, resource: ResourceType) -> Callable[[Instance, Any], None]:
        """What ends a resource: the guest's destructor, or what the host gave for its own."""
        if resource.implementer is None:
            return core_functions.host_destructor(self._host_resource(resource))
        if resource not in self._destructors:
            destructor: Any = resource.destructor
            number = None if destructor is None else self.externs.function(destructor, DESTRUCTOR, "a destructor")
            self._destructors[resource] = number
        return core_functions.guest_destructor(self._destructors[resource])

    def _host_resource(self, resource: ResourceType) -> Callable[[Any, Any], object] | None:
        for (interface, name), known in self._plan.imported_resources.items():
            if known is resource:
                host = self._hosts.get(interface)
                return None if host is None else host.resources.get(name)
        return None

    # Core instances.

    def finish(self) -> Binding:
        """Binds every core instance."""
        linkers: list[Linker] = []
        makers: list[Maker] = []
        arm: Maker = _nothing
        for slot, made in enumerate(self._plan.core_instances):
            makers.append(_nothing if slot in self._elided.gone else self._maker(slot, made, linkers))
        for slot, realloc in enumerate(self._batched, len(makers)):
            if realloc is None:
                linkers += [Linker(self._engine), Linker(self._engine)]
                gates = [made for _, made in self._gates.values()]
                makers.append(core_functions.prepared(slot, gates_instance(gates, self._engine, linkers[-2])))
                self.externs.names.append((slot, SUSPEND.encode()))
                slots = len(self._plan.core_instances) + len(self._batched)
                arm = arming(len(self.externs.names) - 1, slots, linkers[-1])
            else:
                source = self.externs.names[realloc]
                module = self._engine.module(batch_module())
                self._modules.append(module)
                makers.append(core_functions.assembled(slot, module.address, None, [source]))
        acting = self._acting()
        kept = self._kept()
        inlay = None if self._inlaid is None else self.externs.number(CoreExport(self._inlaid, OWN_MEMORY))
        return Binding(
            externs=len(self.externs.names),
            names=self.externs.names,
            contexts=self._context_plans,
            components=len(self._components),
            implementers=dict(self._components),
            memories=self._memories,
            layout=StoreLayout(len(makers), len(self.externs.names)),
            makers=makers,
            first=sorted(self._needed),
            acting=acting,
            kept=None if acting or self._gates else kept,
            inlay=inlay,
            destroy=core_functions.destroyer(self._destructors),
            arm=arm,
            linkers=linkers,
            modules=self._modules,
        )

    def _kept(self) -> list[Kept] | None:
        if self._rewindable is None:
            return None
        found: list[Kept] = []
        for slot, made in enumerate(self._plan.core_instances):
            if slot not in self._elided.gone:
                module = self._rewindable[made.module]
                numbered = self.externs.numbered
                found.append(Kept(slot, numbered(slot, module.memories), numbered(slot, module.globals)))
        return found

    def _acting(self) -> list[Maker]:
        steps: list[Maker] = []
        acts = False
        for slot, made in enumerate(self._plan.core_instances):
            if slot in self._elided.starts:
                number = self.externs.function(self._elided.starts[slot], CoreFuncType((), ()), "a start function")
                steps.append(core_functions.start(number))
                acts = True
            elif slot not in self._elided.gone:
                acting = acts_when_instantiated(self._plan.modules[made.module])
                acts = acts or acting
                if acting or slot in self._needed:
                    steps.append(core_functions.make(slot))
        return steps if acts else []

    def _maker(self, slot: int, made: CoreInstance, linkers: list[Linker]) -> Maker:
        module = self._modules[made.module]
        linker = Linker(self._engine)
        linkers.append(linker)
        sources: list[ImportSource] = []
        for where, name, extern in module.imports:
            definition = self._given(made, where, name, extern.kind)
            if (gated := self._gate(definition)) is not None:
                _compare(where, name, extern.type, gated[0])
                sources.append(self.externs.names[gated[1]])
            elif extern.kind == "func" and not self._is_earlier(definition, slot):
                wanted = extern.type
                assert isinstance(wanted, CoreFuncType)
                kind, callback = self._callback(definition, wanted)
                _compare(where, name, wanted, kind)
                linker.define(where, name, kind, callback)
                sources.append((where.encode(), name.encode()))
            else:
                if not isinstance(definition, CoreExport) or definition.instance >= slot:
                    raise LinkError(f"a core module imports the {extern.kind} {name!r} from something made later")
                found = self.externs.exported(definition, extern.kind)
                sources.append((found.instance, found.name.encode()))
        if not any(isinstance(where, int) for where, _ in sources):
            return core_functions.prepared(slot, linker.prepare(module))
        return core_functions.assembled(slot, module.address, linker, sources)

    def _is_earlier(self, definition: CoreDefinition, slot: int) -> bool:
        return isinstance(definition, CoreExport) and definition.instance < slot

    def _given(self, made: CoreInstance, where: str, name: str, kind: str) -> CoreDefinition:
        bag = made.args.get(where)
        if bag is None:
            raise LinkError(f"a core module imports {where}#{name}, which the component does not give it")
        if isinstance(bag, int):
            return self._elided.behind(CoreExport(bag, name))
        found = bag.get(name)
        if found is None or found[0] is not Sort(f"core {kind}"):
            raise LinkError(f"a core module imports the {kind} {where}#{name}, which the component does not give it")
        return self._elided.behind(found[1])


def _compare(where: str, name: str, wanted: object, kind: CoreFuncType) -> None:
    if ("?" in kind.params + kind.results) or kind != wanted:
        raise LinkError(f"a core module imports {where}#{name} as {wanted}; the component gives {kind}")


def _owned(kind: FuncType) -> Iterator[ResourceType]:
    """The resources that a call of this type may leave in the host's hands."""
    pending = list(kind.values())
    while pending:
        part = pending.pop()
        if isinstance(part, Own) and part.resource.implementer is not None:
            yield part.resource
        elif isinstance(part, Composite):
            pending += part.parts()


def _nothing(instance: Instance) -> None:
    """Makes a core instance that was left out."""
