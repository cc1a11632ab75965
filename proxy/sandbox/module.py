"""A compiled core module and what it imports and exports."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

from proxy.sandbox import raw


@dataclass(frozen=True, slots=True)
class CoreFuncType:
    """Parameters and results as "i32", "i64", "f32", "f64"; anything else is "?"."""

    params: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        return f"[{' '.join(self.params)}] -> [{' '.join(self.results)}]"


@dataclass(frozen=True, slots=True)
class CoreMemoryType:
    minimum: int
    """In bytes."""
    is_64: bool


@dataclass(frozen=True, slots=True)
class CoreExtern:
    """`kind` is func, global, table, memory or tag; `type` is known for functions and memories."""

    kind: str
    type: CoreFuncType | CoreMemoryType | None


KINDS = {
    raw.TYPE_FUNC: "func",
    raw.TYPE_GLOBAL: "global",
    raw.TYPE_TABLE: "table",
    raw.TYPE_MEMORY: "memory",
    raw.TYPE_TAG: "tag",
}


class Module:
    """Holds the machine code of a core module, as long as somebody has a use for it and its engine is there."""

    def __init__(self, address: int, digest: str) -> None:
        self.address = address
        self.digest = digest
        # Not `__del__`, within which weak references still lead here: the engine could give another thread what is
        # being freed.
        self._free = weakref.finalize(self, raw.module_delete, address)
        self._free.atexit = False
        vector = raw.block(raw.VEC_SIZE)
        at = raw.address_of(vector)
        raw.module_imports(address, at)
        self.imports = tuple(
            (
                raw.text(raw.importtype_module(item)),
                raw.text(raw.importtype_name(item)),
                _extern(raw.importtype_type(item)),
            )
            for item in raw.vec(at)
        )
        raw.importtype_vec_delete(at)
        raw.module_exports(address, at)
        self.exports = {raw.text(raw.exporttype_name(item)): _extern(raw.exporttype_type(item)) for item in raw.vec(at)}
        raw.exporttype_vec_delete(at)

    def close(self) -> None:
        self._free()
        self.address = 0


def _extern(externtype: int) -> CoreExtern:
    kind = KINDS[raw.externtype_kind(externtype)]
    if kind == "func":
        functype = raw.externtype_as_functype(externtype)
        params, results = _values(raw.functype_params(functype)), _values(raw.functype_results(functype))
        return CoreExtern(kind, CoreFuncType(params, results))
    if kind == "memory":
        memory = raw.externtype_as_memorytype(externtype)
        minimum = raw.memorytype_minimum(memory) * raw.memorytype_page_size(memory)
        return CoreExtern(kind, CoreMemoryType(minimum, raw.memorytype_is64(memory)))
    return CoreExtern(kind, None)


NUMBERS = {name: raw.valtype_new(number) for name, number in raw.VALUE_KINDS.items()}
"""A wasm_valtype_t of each number type, to compare others with."""


def _values(vector: int) -> tuple[str, ...]:
    return tuple(map(_value, raw.vec(vector)))


def _value(valtype: int) -> str:
    return next((name for name, known in NUMBERS.items() if raw.valtype_equal(valtype, known)), "?")


def new_functype(kind: CoreFuncType) -> int:
    """A wasm_functype_t, to be freed by the caller."""

    def values(names: tuple[str, ...]) -> int:
        items = raw.block(8 * max(1, len(names)))
        for index, name in enumerate(names):
            items[index] = raw.valtype_new(raw.VALUE_KINDS[name])
        vector = raw.block(raw.VEC_SIZE)
        keep.append(vector)
        raw.valtype_vec_new(raw.address_of(vector), len(names), raw.address_of(items))
        return raw.address_of(vector)

    keep: list[object] = []
    functype: int = raw.functype_new(values(kind.params), values(kind.results))
    return functype
