"""Alignment, size and flattening of types in a 32-bit linear memory (CanonicalABI.md, from "Alignment" on)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from proxy.component import types as t

MAX_FLAT_PARAMS = 16
MAX_FLAT_ASYNC_PARAMS = 4
MAX_FLAT_RESULTS = 1
MAX_BYTE_LENGTH = (1 << 28) - 1
"""Of a string or a list."""

SIZES = {
    t.BOOL: 1, t.S8: 1, t.U8: 1, t.S16: 2, t.U16: 2, t.S32: 4, t.U32: 4, t.S64: 8, t.U64: 8, t.F32: 4, t.F64: 8, t.CHAR:
    4, t.ERROR_CONTEXT: 4,
}  # fmt: skip
FLAT = {t.S64: "i64", t.U64: "i64", t.F32: "f32", t.F64: "f64"}

Cases = tuple[tuple[str, "t.ValueType | None"], ...]


def despecialize(kind: t.ValueType) -> t.ValueType:
    """Tuples, enums, options, results and maps as what they abbreviate."""
    match kind:
        case t.Tuple(items=items):
            return t.Record(tuple((str(index), item) for index, item in enumerate(items)))
        case t.Enum(labels=labels):
            return t.Variant(tuple((label, None) for label in labels))
        case t.Option(some=some):
            return t.Variant((("none", None), ("some", some)))
        case t.Result(ok=ok, err=err):
            return t.Variant((("ok", ok), ("err", err)))
        case t.Map(key=key, value=value):
            return t.List(t.Tuple((key, value)))
    return kind


def align_to(position: int, alignment: int) -> int:
    return (position + alignment - 1) & -alignment


def discriminant_size(cases: int) -> int:
    """Bytes of the discriminant of so many cases."""
    if cases <= 1 << 8:
        return 1
    return 2 if cases <= 1 << 16 else 4


@lru_cache(4096)
def alignment(kind: t.ValueType, pointer: int = 4) -> int:
    match despecialize(kind):
        case t.Record(fields=fields):
            return max(alignment(part, pointer) for _, part in fields)
        case t.Variant(cases=cases):
            return max(discriminant_size(len(cases)), payload_alignment(cases, pointer))
        case t.List(element=element, length=length):
            return pointer if length is None else alignment(element, pointer)
        case t.Flags(labels=labels):
            return flags_size(len(labels))
        case t.Primitive() as primitive:
            return SIZES.get(primitive, pointer)
    return 4


def payload_alignment(cases: Cases, pointer: int = 4) -> int:
    return max((alignment(part, pointer) for _, part in cases if part is not None), default=1)


def payload_offset(cases: Cases, pointer: int = 4) -> int:
    """Where the payload of a variant is, from its start."""
    return align_to(discriminant_size(len(cases)), payload_alignment(cases, pointer))


def flags_size(labels: int) -> int:
    if labels <= 8:
        return 1
    return 2 if labels <= 16 else 4


@lru_cache(4096)
def size(kind: t.ValueType, pointer: int = 4) -> int:
    match despecialize(kind):
        case t.Record(fields=fields):
            end = 0
            for _, part in fields:
                end = align_to(end, alignment(part, pointer)) + size(part, pointer)
            return align_to(end, alignment(kind, pointer))
        case t.Variant(cases=cases):
            largest = max((size(part, pointer) for _, part in cases if part is not None), default=0)
            return align_to(payload_offset(cases, pointer) + largest, alignment(kind, pointer))
        case t.List(element=element, length=length):
            return 2 * pointer if length is None else length * size(element, pointer)
        case t.Flags(labels=labels):
            return flags_size(len(labels))
        case t.Primitive() as primitive:
            return SIZES.get(primitive, 2 * pointer)
    return 4


def is_too_large(kind: t.ValueType) -> bool:
    """Whether a type has values of more bytes than any may have, in memories of 64 bits too."""
    return size(kind, 8) > MAX_BYTE_LENGTH


def flatten(kind: t.ValueType, limit: int = MAX_FLAT_PARAMS) -> list[str]:
    """The core types of a value. Gives up soon after `limit`: then only that it is longer is true of the list."""
    match despecialize(kind):
        case t.Record(fields=fields):
            flat: list[str] = []
            for _, part in fields:
                flat += flatten(part, limit - len(flat))
                if len(flat) > limit:
                    break
            return flat
        case t.Variant(cases=cases):
            return ["i32", *_flatten_cases(cases, limit)]
        case t.List(element=element, length=length):
            if length is None:
                return ["i32", "i32"]
            return flatten(element, limit) * min(length, limit + 1)
        case t.STRING:
            return ["i32", "i32"]
        case t.Primitive() as primitive:
            return [FLAT.get(primitive, "i32")]
    return ["i32"]


def _flatten_cases(cases: Cases, limit: int) -> list[str]:
    joined: list[str] = []
    for _, part in cases:
        flat = [] if part is None else flatten(part, limit)
        for index, kind in enumerate(flat):
            if index < len(joined):
                joined[index] = _join(joined[index], kind)
            else:
                joined.append(kind)
        if len(joined) > limit:
            break
    return joined


def _join(one: str, other: str) -> str:
    if one == other:
        return one
    return "i32" if {one, other} == {"i32", "f32"} else "i64"


def flat_params(kind: t.FuncType, limit: int = MAX_FLAT_PARAMS) -> list[str] | None:
    """None when the parameters go through memory."""
    flat: list[str] = []
    for _, part in kind.params:
        flat += flatten(part)
        if len(flat) > limit:
            return None
    return flat


def flat_result(kind: t.FuncType) -> list[str] | None:
    """None when the result goes through memory."""
    flat = [] if kind.result is None else flatten(kind.result)
    return flat if len(flat) <= MAX_FLAT_RESULTS else None


def lifted_signature(kind: t.FuncType) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Core parameters and results of a function that is lifted (`flatten_functype`)."""
    params, result = flat_params(kind), flat_result(kind)
    return tuple(["i32"] if params is None else params), tuple(["i32"] if result is None else result)


def async_lifted_signature(kind: t.FuncType, *, callback: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The same with the option async: the result is given to task.return, and a function with a callback says what it
    waits for."""
    return lifted_signature(kind)[0], ("i32",) if callback else ()


def lowered_signature(kind: t.FuncType, *, is_async: bool = False) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Core parameters and results of a function that is lowered."""
    if is_async:
        params = flat_params(kind, MAX_FLAT_ASYNC_PARAMS)
        return (*(["i32"] if params is None else params), *(["i32"] if kind.result is not None else [])), ("i32",)
    params, result = flat_params(kind), flat_result(kind)
    given = ["i32"] if params is None else params
    return ((*given, "i32"), ()) if result is None else (tuple(given), tuple(result))


@dataclass(frozen=True, slots=True)
class Needs:
    """Which canonical options a function type asks for ("lift and lower" in CanonicalABI.md, validation)."""

    memory: bool
    realloc: bool
    handles: bool


def needs(kind: t.FuncType, *, lifted: bool, is_async: bool = False) -> Needs:
    """What the options of a lift, or else of a lower, must have. Values that go into the guest need room there. The
    result of what is lifted with the option async is task.return's affair."""
    if lifted and is_async:
        kind = t.FuncType(kind.params, None)
    params, results = [part for _, part in kind.params], [] if kind.result is None else [kind.result]
    limit = MAX_FLAT_ASYNC_PARAMS if is_async and not lifted else MAX_FLAT_PARAMS
    spilled_params = flat_params(kind, limit) is None
    spilled_result = kind.result is not None if is_async else flat_result(kind) is None
    inward = params if lifted else results
    realloc = any(map(_has_pointers, inward)) or (lifted and spilled_params)
    pointed = any(map(_has_pointers, kind.values()))
    handles = any(t.contains(part, HANDLES) or _has_error_context(part) for part in kind.values())
    return Needs(realloc or pointed or spilled_params or spilled_result, realloc, handles)


HANDLES = (t.Own, t.Borrow, t.Stream, t.Future)


def _has_error_context(kind: t.ValueType) -> bool:
    if isinstance(kind, t.Composite):
        return any(map(_has_error_context, kind.parts()))
    return kind == t.ERROR_CONTEXT


def _has_pointers(kind: t.ValueType) -> bool:
    match kind:
        case t.Map() | t.List(length=None):
            return True
        case t.Stream() | t.Future():
            return False
        case t.Composite():
            return any(map(_has_pointers, kind.parts()))
    return kind == t.STRING


BLOB_COST = 4


def cost(kind: t.ValueType) -> int:
    """How much code a type takes: its parts, and more for what is behind pointers."""
    parts = sum(map(cost, kind.parts())) if isinstance(kind, t.Composite) else 0
    return parts + (1 + BLOB_COST if kind == t.STRING or isinstance(kind, t.List | t.Map) else 1)
