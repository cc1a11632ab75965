"""What the index spaces of a component hold while it is resolved, and what of that others see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from proxy.component.binary import definitions as d
from proxy.component.binary.definitions import Sort
from proxy.component.plan import Func, ImportedFunc, LiftedFunc, ModuleName
from proxy.component.types import ComponentType, ExternType, FuncType, InstanceType, ModuleType

Item: TypeAlias = Any
"""What an index space holds: Func, InstanceItem, Closure, a type, a CoreDefinition, a core instance or module
number."""


@dataclass(slots=True, eq=False)
class InstanceItem:
    """A component instance, made or imported: what it exports."""

    exports: dict[str, tuple[Sort, Item]]


@dataclass(slots=True, eq=False)
class Closure:
    """Definitions that are evaluated when used, in the scope they stand in."""

    definitions: tuple[d.Definition, ...]
    scope: Scope


class ComponentClosure(Closure):
    """A nested component."""


class InstanceTypeClosure(Closure):
    """The type of an instance."""


class ComponentTypeClosure(Closure):
    """The type of a component."""


@dataclass(slots=True, eq=False)
class Scope:
    """The index spaces of one component, or of one instance or component type. `number` counts component instances."""

    parent: Scope | None
    number: int = 0
    spaces: dict[Sort, list[Item]] = field(default_factory=lambda: {sort: [] for sort in Sort})
    exports: dict[str, tuple[Sort, Item]] = field(default_factory=dict)
    imports: dict[str, tuple[Sort, Item]] = field(default_factory=dict)


def extern_type(item: Item) -> ExternType:
    """The type of what an index space holds."""
    if isinstance(item, ImportedFunc | LiftedFunc):
        return item.type
    if isinstance(item, InstanceItem):
        return instance_type(item)
    if isinstance(item, Closure):
        return ComponentType()
    if isinstance(item, int | ModuleName):
        return ModuleType()
    kind: ExternType = item
    return kind


def instance_type(item: InstanceItem) -> InstanceType:
    functions: dict[str, FuncType] = {}
    types: dict[str, Any] = {}
    instances: dict[str, InstanceType] = {}
    for name, (sort, inner) in item.exports.items():
        if sort is Sort.FUNC:
            functions[name] = inner.type
        elif sort is Sort.INSTANCE:
            instances[name] = instance_type(inner)
        elif sort is Sort.TYPE and not isinstance(inner, Closure | FuncType):
            types[name] = inner
    return InstanceType(functions, types, instances)


def functions(scope: Scope) -> dict[str, dict[str, Func]]:
    functions: dict[str, dict[str, Func]] = {}
    for name, (sort, item) in scope.exports.items():
        if sort is Sort.FUNC:
            functions.setdefault("", {})[name] = item
        elif sort is Sort.INSTANCE:
            functions[name] = {key: func for key, (inner, func) in item.exports.items() if inner is Sort.FUNC}
    return functions


def modules(scope: Scope) -> dict[ModuleName, int]:
    """The core modules that a component exports and has in it."""
    found: dict[ModuleName, int] = {}
    for name, (sort, item) in scope.exports.items():
        inner = item.exports if sort is Sort.INSTANCE else {"": (sort, item)}
        for key, (kind, module) in inner.items():
            if kind is Sort.CORE_MODULE and isinstance(module, int):
                found[ModuleName(name, key) if sort is Sort.INSTANCE else ModuleName("", name)] = module
    return found
