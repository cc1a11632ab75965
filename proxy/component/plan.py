"""A component worked out: which core instances to make, from what, and what its exports are. Pure data.

Component instantiation is static, so nested components disappear here: their core instances are in one list, in the
order in which the specification makes them, and each remembers only which component instance it belongs to (for handle
tables and the may-leave flag).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from proxy.component.binary.definitions import Sort
from proxy.component.types import ExternType, FuncType, ResourceType, ValueType


@dataclass(frozen=True, slots=True)
class CoreExport:
    """An export of the core instance with this number in the plan."""

    instance: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Lowered:
    """A core function that calls a component function (canon lower)."""

    func: Func
    options: Options


@dataclass(frozen=True, slots=True, eq=False)
class ResourceOperation:
    """A core function that works on a handle table: operation is new, drop or rep."""

    operation: str
    resource: ResourceType
    component_instance: int


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in of the asynchronous ABI. `slot` is the one of the thread's storage that context.get and .set are for,
    `type` the stream or future that it is about, `memory` where events go."""

    name: str
    component_instance: int
    slot: int = 0
    type: ValueType | None = None
    options: Options | None = None
    is_async: bool = False
    cancellable: bool = False
    memory: CoreDefinition | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TaskReturn:
    """canon task.return, as a function that takes the result, if there is one."""

    type: FuncType
    options: Options


CoreDefinition: TypeAlias = CoreExport | Lowered | ResourceOperation | Builtin | TaskReturn


@dataclass(frozen=True, slots=True, eq=False)
class Options:
    """Canonical options, resolved."""

    component_instance: int
    encoding: str
    memory: CoreDefinition | None
    realloc: CoreDefinition | None
    post_return: CoreDefinition | None
    is_async: bool
    callback: CoreDefinition | None


@dataclass(frozen=True, slots=True)
class ImportedFunc:
    """A function of the host: `interface` is empty for one that the world imports by itself."""

    interface: str
    name: str
    type: FuncType


@dataclass(frozen=True, slots=True)
class ModuleName:
    """A core module that the host gives, or gets, by interface and name like a function."""

    interface: str
    name: str

    def __str__(self) -> str:
        return f"{self.interface}#{self.name}" if self.interface else self.name


@dataclass(frozen=True, slots=True, eq=False)
class LiftedFunc:
    """A core function as a component function (canon lift)."""

    core: CoreDefinition
    type: FuncType
    options: Options


Func: TypeAlias = ImportedFunc | LiftedFunc

CoreExports: TypeAlias = Mapping[str, tuple[Sort, CoreDefinition]]


@dataclass(frozen=True, slots=True)
class CoreInstance:
    """One core instantiation. An argument is an earlier core instance, or a bag of definitions by name."""

    module: int
    args: Mapping[str, int | CoreExports]


@dataclass(frozen=True, slots=True)
class Plan:
    modules: tuple[bytes, ...]
    """Empty where the host is to give it."""
    imported_modules: Mapping[int, ModuleName]
    exported_modules: Mapping[ModuleName, int]
    """Those that the component exports, by interface and name."""
    core_instances: tuple[CoreInstance, ...]
    parents: tuple[int | None, ...]
    """Of each component instance, by number, the one that instantiated it."""
    imports: Mapping[str, ExternType]
    exports: Mapping[str, ExternType]
    functions: Mapping[str, Mapping[str, Func]]
    """The exported functions by interface; those the world exports by itself under the empty name."""
    imported_resources: Mapping[tuple[str, str], ResourceType]
    """Resources of the host, by interface and name."""

    def lineage(self, instance: int | None) -> Iterator[int]:
        """A component instance and those it is a part of, inside out."""
        while instance is not None:
            yield instance
            instance = self.parents[instance]
