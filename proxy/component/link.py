"""Links a component with the host: checks every import, and gives what instances are made from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from proxy.component.abi.functions import export_function
from proxy.component.bare import bare
from proxy.component.binary.inlaying import Inlaid
from proxy.component.binary.rewindable import Rewindable, rewindable
from proxy.component.bind import Binder
from proxy.component.binding import Binding, Kept, LinkError
from proxy.component.compare import difference
from proxy.component.decode import Component
from proxy.component.handles import GuestResource
from proxy.component.inlay import LEAST_MEMORY, Inlay, inlaid
from proxy.component.instance import Cell, Instance
from proxy.component.plan import Func, ImportedFunc, Plan
from proxy.component.rewind import LARGEST, Rewind
from proxy.component.types import FuncType, InstanceType, ModuleType, ResourceType
from proxy.component.versions import compatible, split
from proxy.sandbox import CompileError, Engine, Limits, Module

HostFunc = Callable[..., object]
"""Called as fn(instance.data, *arguments) with Python values (proxy.component.types); returns one."""


class ExportFunc(Protocol):
    """An exported function: export(instance, *arguments). Raises Trap; TypeError when an argument is not of its
    type."""

    type: FuncType

    def __call__(self, instance: Instance, /, *args: Any) -> Any: ...


@dataclass
class HostInterface:
    """What the host offers under an interface name. The world's own functions are those of the interface "".

    `types`: what the host promises; a component that imports a function as another type is refused. None: not checked.
    `suspending`: the functions that may give a coroutine of their result, which a component can wait for that was
    linked so.
    `resources`: the host's resource types by name, each with what is called, as fn(data, object), when a guest drops
    one.
    """

    functions: Mapping[str, HostFunc]
    types: Mapping[str, FuncType] | None = None
    resources: Mapping[str, Callable[[Any, Any], object]] = field(default_factory=dict)
    suspending: Collection[str] = ()
    modules: Mapping[str, bytes] = field(default_factory=dict)
    """Core modules, for components that import some."""
    inlaid: Mapping[str, Inlaid] = field(default_factory=dict)
    """What may stand in front of functions (proxy.component.inlay)."""


_AS_THEY_ARE: Mapping[bytes, bytes] = {}


def validate(component: Component, engine: Engine, instead: Mapping[bytes, bytes] = _AS_THEY_ARE) -> list[Module]:
    """Has the engine check the whole of a component, its types included: decoding has only looked for what would
    mislead this host. Returns its core modules, compiled; instead: what is to run for some of them. Raises
    LinkError."""
    try:
        engine.validate(component.skeleton.component)
        for module in set(component.skeleton.modules).difference(component.core_modules):
            engine.validate_module(module)
        return [engine.module(instead.get(module, module)) for module in component.core_modules]
    except CompileError as error:
        raise LinkError(str(error)) from None


def link(
    component: Component,
    engine: Engine,
    imports: Mapping[str, HostInterface],
    limits: Limits,
    *,
    suspends: bool = False,
    rewinds: bool = False,
) -> Linked:
    """Validates, compiles what is not compiled yet, and binds imports. Raises LinkError.

    `suspends`: exports are awaited, and the guest may wait in them for host functions (HostInterface.suspending).
    `rewinds`: instances are to be put back to how they were made (`Linked.rewind`), if these can be.
    """
    plan = component.plan
    rewindable = _rewindable(plan) if rewinds else None
    if rewindable is not None:
        plan = replace(plan, modules=tuple(each.module for each in rewindable))
    inlay = None
    if not suspends and limits.memory >= LEAST_MEMORY:
        inlay = inlaid(plan, _offered(component, imports), engine.is_valid_module)
    if inlay is not None:
        plan = inlay.plan
    compiled = validate(component, engine, dict(zip(component.plan.modules, plan.modules, strict=True)))
    hosts = {name: _provider(name, imports) for name in _interfaces(component)}
    for name, kind in component.imports.items():
        if isinstance(kind, InstanceType):
            _check(name, kind, hosts.get(name, _NOTHING))
        elif isinstance(kind, FuncType):
            _check("", InstanceType({name: kind}), hosts[""])
        elif isinstance(kind, ModuleType):
            if name not in hosts[""].modules:
                raise LinkError(f"the component imports the core module {name!r}, which this host does not offer")
        elif not _is_type(kind):
            raise LinkError(f"the component imports {name!r} as a {kind}, which this host cannot give")
    plan = _complete(plan, hosts)
    try:
        return Linked(plan, component, engine, hosts, limits, suspends=suspends, rewindable=rewindable, inlay=inlay)
    except CompileError as error:
        raise LinkError(str(error)) from None
    finally:
        compiled.clear()  # those in use are now held by what uses them


_NOTHING = HostInterface({})


def _rewindable(plan: Plan) -> list[Rewindable] | None:
    """All its modules; None if one of them is not, or is still to be given by the host."""
    found = [rewindable(module) for module in plan.modules]
    return [each for each in found if each is not None] if None not in found else None


def _interfaces(component: Component) -> list[str]:
    """The interfaces from which functions or core modules are imported: one that is imported for its types alone needs
    no host."""
    named = [(name, kind) for name, kind in component.imports.items() if isinstance(kind, InstanceType)]
    names = {name: None for name, kind in named if kind.functions or kind.instances}
    if any(isinstance(kind, FuncType | ModuleType) for kind in component.imports.values()):
        names[""] = None
    return list(names | {module.interface: None for module in component.plan.imported_modules.values()})


def _is_type(kind: object) -> bool:
    return isinstance(kind, ResourceType) or hasattr(kind, "depth")


def _complete(plan: Plan, hosts: Mapping[str, HostInterface]) -> Plan:
    """The plan with the core modules that the host gives."""
    modules = list(plan.modules)
    for number, wanted in plan.imported_modules.items():
        given = hosts[wanted.interface].modules.get(wanted.name)
        if given is None:
            raise LinkError(f"the component imports the core module {wanted}, which this host does not offer")
        modules[number] = given
    return replace(plan, modules=tuple(modules))


def _offered(component: Component, imports: Mapping[str, HostInterface]) -> dict[str, HostInterface]:
    """What there is of what it imports."""
    found = {name: compatible(name, imports) for name in _interfaces(component)}
    return {name: imports[other] for name, other in found.items() if other is not None}


def _provider(name: str, imports: Mapping[str, HostInterface]) -> HostInterface:
    found = compatible(name, imports)
    if found is not None:
        return imports[found]
    others = sorted(other for other in imports if split(other)[0] == split(name)[0])
    if others:
        raise LinkError(f"the component imports {name}, which {', '.join(others)} of this host cannot stand for")
    raise LinkError(f"the component imports {name or 'functions'}, which this host does not offer")


def _check(name: str, wanted: InstanceType, given: HostInterface) -> None:
    if wanted.instances:
        raise LinkError(f"{name} holds instances, which this host cannot give")
    for func, kind in wanted.functions.items():
        where = f"{name}#{func}" if name else func
        if func not in given.functions:
            raise LinkError(f"the component imports {where}, which this host does not offer")
        promised = None if given.types is None else given.types.get(func)
        wrong = None if promised is None else difference(kind, promised)
        if wrong is not None:
            raise LinkError(f"the component imports {where} as another type than the host's: {wrong}")


class Linked:
    """A component ready to run. Instances are made with `instantiate`; `exports` has its functions by interface."""

    def __init__(
        self,
        plan: Plan,
        component: Component,
        engine: Engine,
        hosts: Mapping[str, HostInterface],
        limits: Limits,
        *,
        suspends: bool,
        rewindable: Sequence[Rewindable] | None = None,
        inlay: Inlay | None = None,
    ) -> None:
        self._component = component
        self.engine = engine
        self.limits = limits
        self.cell = Cell()
        self.deadline = engine.ticker.deadline(limits.time)
        binder = Binder(plan, engine, limits, self.cell, hosts, suspends=suspends, rewindable=rewindable, inlay=inlay)
        self.exports: Mapping[str, Mapping[str, ExportFunc]] = {
            interface: {name: _export(binder, hosts, name, func, suspends=suspends) for name, func in functions.items()}
            for interface, functions in plan.functions.items()
        }
        self.binding: Binding = binder.finish()
        self._rewind = None if self.binding.kept is None else self._images(self.binding.kept)

    def _images(self, kept: Sequence[Kept]) -> Rewind | None:
        pristine = self.instantiate(None)
        try:
            rewind = Rewind(pristine, kept)
        finally:
            pristine.close()
        return rewind if rewind.size <= LARGEST else None

    @property
    def inlays(self) -> bool:
        """Whether anything stands in front of imports (`Instance.inlay`)."""
        return self.binding.inlay is not None

    def instantiate(self, data: object) -> Instance:
        """A fresh instance. Raises PoolExhausted, or Trap when a start function fails."""
        return Instance(self, data)

    def rewind(self, instance: Instance) -> bool:
        """Puts an instance back to how it was made. False: that cannot be done, and it may be as it was left."""
        return self._rewind is not None and self._rewind(instance)

    def offer(self, instance: Instance, interface: str = "") -> HostInterface:
        """What an instance exports under this name, for other components to import."""
        exports = self.exports.get(interface, {})
        kind: Any = self._component.exports if not interface else self._component.exports[interface]
        types = kind if not interface else kind.types
        plan = self._component.plan
        return HostInterface(
            functions={name: _bound(function, instance) for name, function in exports.items()},
            types={name: function.type for name, function in exports.items()},
            resources={
                name: lambda data, resource: self.drop(instance, resource)
                for name, kind in types.items()
                if isinstance(kind, ResourceType)
            },
            modules={
                module.name: plan.modules[number]
                for module, number in plan.exported_modules.items()
                if module.interface == interface
            },
        )

    def drop(self, instance: Instance, resource: GuestResource) -> None:
        previous = instance.enter()
        try:
            self.binding.destroy(instance, resource)
            instance.state = 0
        finally:
            instance.leave(previous)

    def close(self) -> None:
        """Frees what instances were made from. None may be alive."""
        self.binding.close()


def _bound(function: ExportFunc, instance: Instance) -> HostFunc:
    return lambda data, *arguments: function(instance, *arguments)


def _export(binder: Binder, hosts: Mapping[str, HostInterface], name: str, func: Func, *, suspends: bool) -> ExportFunc:
    if isinstance(func, ImportedFunc):
        return _passed_on(hosts[func.interface].functions[func.name], func.type)
    call: Any
    if suspends or func.type.is_async:
        call = binder.tasks.export(name, func)
    else:
        target, runtime = binder.target(func), binder.export_runtime(name, func)
        call = bare(func.type, target, runtime) or export_function(func.type, target, runtime, outermost=True)
    call.type = func.type
    exported: ExportFunc = call
    return exported


def _passed_on(function: HostFunc, kind: FuncType) -> ExportFunc:
    """An import that the component exports as it is."""

    def call(instance: Instance, /, *arguments: object) -> object:
        return function(instance.data, *arguments)

    call.type = kind  # type: ignore[attr-defined]
    exported: ExportFunc = call  # type: ignore[assignment]
    return exported
