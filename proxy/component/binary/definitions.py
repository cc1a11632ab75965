"""What a component binary says, definition by definition, in the order of the file.

Names follow Binary.md. An index refers to the index space of its sort, which the definitions before it have filled.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias


class Sort(enum.Enum):
    """An index space."""

    CORE_FUNC = "core func"
    CORE_TABLE = "core table"
    CORE_MEMORY = "core memory"
    CORE_GLOBAL = "core global"
    CORE_TAG = "core tag"
    CORE_TYPE = "core type"
    CORE_MODULE = "core module"
    CORE_INSTANCE = "core instance"
    FUNC = "func"
    VALUE = "value"
    TYPE = "type"
    COMPONENT = "component"
    INSTANCE = "instance"


# Types. A value type in these is an index or the name of a primitive.

ValTypeRef: TypeAlias = "int | str"


@dataclass(frozen=True, slots=True)
class PrimitiveDef:
    name: str


@dataclass(frozen=True, slots=True)
class RecordDef:
    fields: tuple[tuple[str, ValTypeRef], ...]


@dataclass(frozen=True, slots=True)
class VariantDef:
    cases: tuple[tuple[str, ValTypeRef | None], ...]


@dataclass(frozen=True, slots=True)
class ListDef:
    element: ValTypeRef
    length: int | None = None


@dataclass(frozen=True, slots=True)
class TupleDef:
    items: tuple[ValTypeRef, ...]


@dataclass(frozen=True, slots=True)
class FlagsDef:
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnumDef:
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OptionDef:
    some: ValTypeRef


@dataclass(frozen=True, slots=True)
class ResultDef:
    ok: ValTypeRef | None
    err: ValTypeRef | None


@dataclass(frozen=True, slots=True)
class MapDef:
    key: ValTypeRef
    value: ValTypeRef


@dataclass(frozen=True, slots=True)
class HandleDef:
    """own or borrow of the resource at a type index."""

    own: bool
    resource: int


@dataclass(frozen=True, slots=True)
class AsyncValueDef:
    """A stream or a future."""

    stream: bool
    element: ValTypeRef | None


@dataclass(frozen=True, slots=True)
class ResourceDef:
    representation: str
    destructor: int | None


@dataclass(frozen=True, slots=True)
class FuncDef:
    params: tuple[tuple[str, ValTypeRef], ...]
    result: ValTypeRef | None
    is_async: bool


@dataclass(frozen=True, slots=True)
class InstanceTypeDef:
    declarations: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class ComponentTypeDef:
    declarations: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class CoreTypeDef:
    """A core type: only its place in the index space matters to this host, and whether it is a module's."""

    is_module: bool


TypeDef: TypeAlias = (
    PrimitiveDef
    | RecordDef
    | VariantDef
    | ListDef
    | TupleDef
    | FlagsDef
    | EnumDef
    | OptionDef
    | ResultDef
    | MapDef
    | HandleDef
    | AsyncValueDef
    | ResourceDef
    | FuncDef
    | InstanceTypeDef
    | ComponentTypeDef
)


@dataclass(frozen=True, slots=True)
class ExternDesc:
    """`index` is None for a fresh resource type (`sub resource`); for a value it is the type."""

    sort: Sort
    index: ValTypeRef | None


# Definitions.


@dataclass(frozen=True, slots=True)
class CoreModule:
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class CoreInstantiate:
    offset: int
    module: int
    args: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class CoreInlineExports:
    offset: int
    exports: tuple[tuple[str, Sort, int], ...]


@dataclass(frozen=True, slots=True)
class CoreType:
    offset: int
    type: CoreTypeDef


@dataclass(frozen=True, slots=True)
class NestedComponent:
    offset: int
    definitions: tuple[Definition, ...]


@dataclass(frozen=True, slots=True)
class Instantiate:
    offset: int
    component: int
    args: tuple[tuple[str, Sort, int], ...]


@dataclass(frozen=True, slots=True)
class InlineExports:
    offset: int
    exports: tuple[tuple[str, Sort, int], ...]


@dataclass(frozen=True, slots=True)
class AliasExport:
    offset: int
    sort: Sort
    instance: int
    name: str


@dataclass(frozen=True, slots=True)
class AliasCoreExport:
    offset: int
    sort: Sort
    instance: int
    name: str


@dataclass(frozen=True, slots=True)
class AliasOuter:
    offset: int
    sort: Sort
    count: int
    index: int


@dataclass(frozen=True, slots=True)
class Type:
    offset: int
    type: TypeDef


@dataclass(frozen=True, slots=True)
class CanonOptions:
    """`encoding` is utf8, utf16 or latin1+utf16; indices are of core memories and core functions."""

    encoding: str = "utf8"
    memory: int | None = None
    realloc: int | None = None
    post_return: int | None = None
    is_async: bool = False
    callback: int | None = None


@dataclass(frozen=True, slots=True)
class CanonLift:
    offset: int
    core_func: int
    options: CanonOptions
    type: int


@dataclass(frozen=True, slots=True)
class CanonLower:
    offset: int
    func: int
    options: CanonOptions


@dataclass(frozen=True, slots=True)
class CanonResource:
    """`operation` is new, drop or rep."""

    offset: int
    operation: str
    resource: int


@dataclass(frozen=True, slots=True)
class CanonBuiltin:
    """A built-in of the asynchronous ABI, by its name; `immediates` is what follows its opcode, up to `end`."""

    offset: int
    end: int
    name: str
    immediates: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Start:
    offset: int
    func: int
    args: tuple[int, ...]
    results: int


@dataclass(frozen=True, slots=True)
class Import:
    offset: int
    name: str
    desc: ExternDesc


@dataclass(frozen=True, slots=True)
class Export:
    offset: int
    name: str
    sort: Sort
    index: int
    desc: ExternDesc | None


@dataclass(frozen=True, slots=True)
class ExportDeclaration:
    """An export inside an instance or component type."""

    offset: int
    name: str
    desc: ExternDesc


Definition: TypeAlias = (
    CoreModule
    | CoreInstantiate
    | CoreInlineExports
    | CoreType
    | NestedComponent
    | Instantiate
    | InlineExports
    | AliasExport
    | AliasCoreExport
    | AliasOuter
    | Type
    | CanonLift
    | CanonLower
    | CanonResource
    | CanonBuiltin
    | Start
    | Import
    | Export
    | ExportDeclaration
)
