"""Whether two types say the same, and in words where they do not.

Resources are compared by name: each side has its own idea of what they are.
"""

from __future__ import annotations

from itertools import zip_longest

from proxy.component import types as t


def difference(wanted: t.FuncType, given: t.FuncType) -> str | None:
    """None when the function types are the same, else how they differ."""
    if wanted.is_async != given.is_async:
        return "one is async, the other is not"
    for (name, one), (other_name, other) in zip_longest(wanted.params, given.params, fillvalue=("", None)):
        if one is None or other is None:
            return f"{len(wanted.params)} parameters, not {len(given.params)}"
        if name != other_name:
            return f"a parameter is called {name!r}, not {other_name!r}"
        if not same(one, other):
            return f"parameter {name!r} is {one}, not {other}"
    if not same(wanted.result, given.result):
        return f"the result is {wanted.result}, not {given.result}"
    return None


def same(one: t.ValueType | None, other: t.ValueType | None) -> bool:
    if type(one) is not type(other):
        return False
    match one, other:
        case (t.Own(resource=left), t.Own(resource=right)) | (t.Borrow(resource=left), t.Borrow(resource=right)):
            return left.name == right.name
        case t.Record(fields=left_fields), t.Record(fields=right_fields):
            return _names(left_fields) == _names(right_fields) and _all_same(left_fields, right_fields)
        case t.Variant(cases=left_cases), t.Variant(cases=right_cases):
            return _names(left_cases) == _names(right_cases) and _all_same(left_cases, right_cases)
        case t.Result(), t.Result():
            return same(one.ok, other.ok) and same(one.err, other.err)
        case t.List(), t.List():
            return one.length == other.length and same(one.element, other.element)
        case t.Composite(), t.Composite() if not isinstance(one, t.Flags | t.Enum):
            left_parts, right_parts = list(one.parts()), list(other.parts())
            return len(left_parts) == len(right_parts) and all(map(same, left_parts, right_parts))
    return one == other


def _names(parts: tuple[tuple[str, t.ValueType | None], ...] | tuple[tuple[str, t.ValueType], ...]) -> list[str]:
    return [name for name, _ in parts]


def _all_same(
    one: tuple[tuple[str, t.ValueType | None], ...] | tuple[tuple[str, t.ValueType], ...],
    other: tuple[tuple[str, t.ValueType | None], ...] | tuple[tuple[str, t.ValueType], ...],
) -> bool:
    return all(same(left, right) for (_, left), (_, right) in zip(one, other, strict=True))
