"""One type definition to a resolved type, its indices looked up by the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.component import types as t
from proxy.component.abi.layout import is_too_large
from proxy.component.binary import definitions as d

PRIMITIVES = {
    kind.name: kind
    for kind in (
        t.BOOL, t.S8, t.U8, t.S16, t.U16, t.S32, t.U32, t.S64, t.U64, t.F32, t.F64, t.CHAR, t.STRING, t.ERROR_CONTEXT,
    )
}  # fmt: skip

VALUE_TYPES = (t.Primitive, t.Composite, t.Own, t.Borrow)


def resolve_type(type_def: d.TypeDef, lookup: Callable[[int], Any]) -> t.ValueType | t.FuncType:
    """Raises TypeError where a type of another kind stands, TypeTooLarge beyond the bounds of types."""
    kind = _resolved(type_def, lookup)
    if not isinstance(kind, t.FuncType) and is_too_large(kind):
        raise TypeError("a value of this type exceeds the maximum byte size")
    return kind


def _resolved(type_def: d.TypeDef, lookup: Callable[[int], Any]) -> t.ValueType | t.FuncType:

    def value(ref: d.ValTypeRef) -> t.ValueType:
        kind = PRIMITIVES[ref] if isinstance(ref, str) else lookup(ref)
        if not isinstance(kind, VALUE_TYPES):
            raise TypeError(f"type {ref} is not a value type")
        return kind  # type: ignore[return-value]

    def maybe(ref: d.ValTypeRef | None) -> t.ValueType | None:
        return None if ref is None else value(ref)

    match type_def:
        case d.PrimitiveDef(name):
            return PRIMITIVES[name]
        case d.RecordDef(fields):
            return t.Record(_distinct(tuple((name, value(ref)) for name, ref in fields)))
        case d.VariantDef(cases):
            return t.Variant(_distinct(tuple((name, maybe(ref)) for name, ref in cases)))
        case d.ListDef(element, length):
            return t.List(value(element), _positive(length))
        case d.TupleDef(items):
            return t.Tuple(_some(tuple(value(ref) for ref in items)))
        case d.FlagsDef(labels):
            if len(labels) > 32:
                raise TypeError("flags with more than 32 labels")
            return t.Flags(_labels(labels))
        case d.EnumDef(labels):
            return t.Enum(_labels(labels))
        case d.OptionDef(some):
            return t.Option(value(some))
        case d.ResultDef(ok, err):
            return t.Result(maybe(ok), maybe(err))
        case d.MapDef(key, item):
            return t.Map(value(key), value(item))
        case d.AsyncValueDef(stream, element):
            return t.Stream(maybe(element)) if stream else t.Future(maybe(element))
        case d.HandleDef(own, resource):
            kind = lookup(resource)
            if not isinstance(kind, t.ResourceType):
                raise TypeError(f"type {resource} is not a resource")
            return t.Own(kind) if own else t.Borrow(kind)
        case d.FuncDef(params, result, is_async):
            given = tuple((name, value(ref)) for name, ref in params)
            _labels(tuple(name for name, _ in given), may_be_empty=True)
            returned = maybe(result)
            if returned is not None and t.contains(returned, (t.Borrow,)):
                raise TypeError("a function cannot return a borrow")
            return t.FuncType(given, returned, is_async)
    raise TypeError("a type stands where it cannot")


def _some(parts: Any) -> Any:
    if not parts:
        raise TypeError("a type without parts")
    return parts


def _distinct(parts: Any) -> Any:
    _labels(tuple(name for name, _ in parts))
    return parts


def _labels(labels: tuple[str, ...], *, may_be_empty: bool = False) -> tuple[str, ...]:
    if not labels and not may_be_empty:
        raise TypeError("a type without parts")
    if len({label.lower() for label in labels}) != len(labels):
        raise TypeError("a label stands twice")
    return labels


def _positive(length: int | None) -> int | None:
    if length == 0:
        raise TypeError("a list of fixed length 0")
    return length
