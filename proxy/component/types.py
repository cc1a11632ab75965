"""The types of the Component Model, resolved: no indices, every name in its place.

Value types are immutable and compare structurally; resources compare by identity. A type knows how deep and how large
it is (`depth`, `size` in nodes), and none is made beyond MAX_DEPTH and MAX_SIZE: everything that walks types may
recurse.

Python values by type: bool, int, float; char and string: str; list<u8>: bytes, other lists: list; tuple: tuple;
record: dict by field name; variant: (case, payload), payload None when the case has none; enum: str; flags: frozenset
of str; map: list of (key, value), which may hold a key twice; option: None or the value, and where the value is itself
an option, ("some", value); result: ("ok", value) or ("err", value); own and borrow: the host's own object for a
resource of the host, else a `GuestResource`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

MAX_DEPTH = 50
MAX_SIZE = 100_000
UNROLLED = 16
"""Up to this length a list of fixed length is treated as so many values, beyond it as a list."""


class TypeTooLarge(ValueError):
    """The type is nested deeper or has more nodes than a host is willing to walk."""


@dataclass(frozen=True, slots=True)
class Primitive:
    """A type without parts, by its WIT name."""

    name: str
    depth = 1
    size = 1

    def __str__(self) -> str:
        return self.name


BOOL = Primitive("bool")
S8, U8, S16, U16 = Primitive("s8"), Primitive("u8"), Primitive("s16"), Primitive("u16")
S32, U32, S64, U64 = Primitive("s32"), Primitive("u32"), Primitive("s64"), Primitive("u64")
F32, F64 = Primitive("f32"), Primitive("f64")
CHAR, STRING = Primitive("char"), Primitive("string")
ERROR_CONTEXT = Primitive("error-context")


@dataclass(frozen=True)
class Composite:
    """A type made of others."""

    depth: int = field(init=False, repr=False, compare=False, default=1)
    size: int = field(init=False, repr=False, compare=False, default=1)

    def __post_init__(self) -> None:
        depth, size = 1, 1
        for part in self.parts():
            depth = max(depth, part.depth + 1)
            size += part.size * self.repeat()
        if depth > MAX_DEPTH:
            raise TypeTooLarge(f"type nested deeper than {MAX_DEPTH}")
        if size > MAX_SIZE:
            raise TypeTooLarge(f"type with more than {MAX_SIZE} parts")
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "size", size)

    def parts(self) -> Iterable[ValueType]:
        return ()

    def repeat(self) -> int:
        return 1


@dataclass(frozen=True)
class List(Composite):
    """`length` is None but for the fixed-length lists of a later version."""

    element: ValueType
    length: int | None = None

    def parts(self) -> Iterable[ValueType]:
        return (self.element,)

    def repeat(self) -> int:
        return 1 if self.length is None or self.length > UNROLLED else self.length

    def __str__(self) -> str:
        return f"list<{self.element}>" if self.length is None else f"list<{self.element}, {self.length}>"


@dataclass(frozen=True)
class Record(Composite):
    fields: tuple[tuple[str, ValueType], ...]

    def parts(self) -> Iterable[ValueType]:
        return (part for _, part in self.fields)

    def __str__(self) -> str:
        return "record { " + ", ".join(f"{name}: {part}" for name, part in self.fields) + " }"


@dataclass(frozen=True)
class Tuple(Composite):
    items: tuple[ValueType, ...]

    def parts(self) -> Iterable[ValueType]:
        return self.items

    def __str__(self) -> str:
        return f"tuple<{', '.join(map(str, self.items))}>"


@dataclass(frozen=True)
class Variant(Composite):
    cases: tuple[tuple[str, ValueType | None], ...]

    def parts(self) -> Iterable[ValueType]:
        return (part for _, part in self.cases if part is not None)

    def __str__(self) -> str:
        cases = (name if part is None else f"{name}({part})" for name, part in self.cases)
        return "variant { " + ", ".join(cases) + " }"


@dataclass(frozen=True)
class Enum(Composite):
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return "enum { " + ", ".join(self.labels) + " }"


@dataclass(frozen=True)
class Option(Composite):
    some: ValueType

    def parts(self) -> Iterable[ValueType]:
        return (self.some,)

    def __str__(self) -> str:
        return f"option<{self.some}>"


@dataclass(frozen=True)
class Result(Composite):
    ok: ValueType | None
    err: ValueType | None

    def parts(self) -> Iterable[ValueType]:
        return (part for part in (self.ok, self.err) if part is not None)

    def __str__(self) -> str:
        if self.err is None:
            return "result" if self.ok is None else f"result<{self.ok}>"
        return f"result<{'_' if self.ok is None else self.ok}, {self.err}>"


@dataclass(frozen=True)
class Flags(Composite):
    labels: tuple[str, ...]

    def __str__(self) -> str:
        return "flags { " + ", ".join(self.labels) + " }"


@dataclass(frozen=True)
class Map(Composite):
    key: ValueType
    value: ValueType

    def parts(self) -> Iterable[ValueType]:
        return (Tuple((self.key, self.value)),)

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


@dataclass(frozen=True)
class Stream(Composite):
    element: ValueType | None

    def parts(self) -> Iterable[ValueType]:
        return () if self.element is None else (self.element,)

    def __str__(self) -> str:
        return "stream" if self.element is None else f"stream<{self.element}>"


@dataclass(frozen=True)
class Future(Composite):
    element: ValueType | None

    def parts(self) -> Iterable[ValueType]:
        return () if self.element is None else (self.element,)

    def __str__(self) -> str:
        return "future" if self.element is None else f"future<{self.element}>"


@dataclass(eq=False, slots=True)
class ResourceType:
    """One resource type. `implementer` is the number of the component instance that defines it, None for the host's.
    `destructor` is where the plan keeps it (an expression of proxy.component.plan), None without one."""

    name: str
    implementer: int | None = None
    destructor: object = None

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Own:
    resource: ResourceType
    depth = 1
    size = 1

    def __str__(self) -> str:
        return f"own<{self.resource}>"


@dataclass(frozen=True, slots=True)
class Borrow:
    resource: ResourceType
    depth = 1
    size = 1

    def __str__(self) -> str:
        return f"borrow<{self.resource}>"


ValueType: TypeAlias = (
    Primitive | List | Record | Tuple | Variant | Enum | Option | Result | Flags | Map | Stream | Future | Own | Borrow
)


@dataclass(frozen=True)
class FuncType:
    params: tuple[tuple[str, ValueType], ...]
    result: ValueType | None
    is_async: bool = False

    def __post_init__(self) -> None:
        self.together()

    def together(self) -> Tuple:
        """The parameters as one value, which is what they are when they go through memory. Raises TypeTooLarge."""
        return Tuple(tuple(part for _, part in self.params))

    def __str__(self) -> str:
        params = ", ".join(f"{name}: {part}" for name, part in self.params)
        arrow = "" if self.result is None else f" -> {self.result}"
        return f"{'async ' if self.is_async else ''}func({params}){arrow}"

    def values(self) -> Iterator[ValueType]:
        yield from (part for _, part in self.params)
        if self.result is not None:
            yield self.result


@dataclass(frozen=True)
class InstanceType:
    """What an instance offers: its functions, its types (value types and resources), and nested instances."""

    functions: Mapping[str, FuncType]
    types: Mapping[str, ValueType | ResourceType] = field(default_factory=dict)
    instances: Mapping[str, InstanceType] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"instance with {len(self.functions)} functions"


@dataclass(frozen=True)
class ComponentType:
    """The type of a component that is imported or exported as such; never instantiated by this host."""

    def __str__(self) -> str:
        return "component"


@dataclass(frozen=True)
class ModuleType:
    """The type of a core module that is imported or exported as such."""

    def __str__(self) -> str:
        return "core module"


ExternType: TypeAlias = FuncType | InstanceType | ComponentType | ModuleType | ValueType | ResourceType


def contains(part: ValueType, kinds: tuple[type, ...]) -> bool:
    """Whether a type is or holds one of these kinds."""
    if isinstance(part, kinds):
        return True
    return isinstance(part, Composite) and any(contains(inner, kinds) for inner in part.parts())
