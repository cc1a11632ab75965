"""Values of a .wast script as the host's Python values, and whether a result is the expected one."""

from __future__ import annotations

import math
import struct
from typing import Any

from proxy.component import types as t

INTEGERS = (t.S8, t.U8, t.S16, t.U16, t.S32, t.U32, t.S64, t.U64)
FLOATS = {t.F32: ("<I", "<f"), t.F64: ("<Q", "<d")}


def value(given: dict[str, Any], kind: t.ValueType) -> Any:
    """The Python value (proxy.component.types) of a script's value that stands where `kind` is asked for. Raises
    TypeError when it is of another type."""
    content = given.get("value")
    if kind in INTEGERS or kind in FLOATS or kind in (t.BOOL, t.CHAR, t.STRING):
        if given["type"] != str(kind):
            raise TypeError(f"{given['type']} stands where {kind} is asked for")
        return _scalar(content, kind)
    if given["type"] != type(kind).__name__.lower():
        raise TypeError(f"{given['type']} stands where {kind} is asked for")
    return _composite(content, kind)


def _scalar(content: Any, kind: t.ValueType) -> Any:
    if kind in INTEGERS:
        return int(content)
    if kind in FLOATS:
        bits, number = FLOATS[kind]
        return math.nan if content.startswith("nan") else struct.unpack(number, struct.pack(bits, int(content)))[0]
    return content


def _composite(content: Any, kind: t.ValueType) -> Any:
    match kind:
        case t.List(element=t.U8, length=None):
            return bytes(value(item, t.U8) for item in content)
        case t.List(element=element):
            return [value(item, element) for item in content]
        case t.Map(key=key, value=item):
            return {value(one, key): value(other, item) for one, other in content}
        case t.Tuple(items=items):
            return tuple(value(item, part) for item, part in zip(content, items, strict=True))
        case t.Record(fields=fields):
            given = dict(content)
            return {name: value(given[name], part) for name, part in fields}
        case t.Variant(cases=cases):
            return content["case"], _payload(content.get("payload"), dict(cases)[content["case"]])
        case t.Enum():
            return content
        case t.Flags():
            return frozenset(content)
        case t.Option(some=some):
            if content is None:
                return None
            inner = value(content, some)
            return ("some", inner) if isinstance(some, t.Option) else inner
        case t.Result(ok=ok, err=err):
            ((label, payload),) = content.items()
            return ("ok", _payload(payload, ok)) if label == "Ok" else ("err", _payload(payload, err))
    raise TypeError(f"a script has no values of type {kind}")


def _payload(given: dict[str, Any] | None, kind: t.ValueType | None) -> Any:
    if (given is None) != (kind is None):
        raise TypeError("a payload stands where there is none, or is missing")
    return None if given is None or kind is None else value(given, kind)


def same(expected: Any, actual: Any) -> bool:
    """Whether two Python values are one component value: every NaN is the same, zeros differ by their sign."""
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, float):
        if math.isnan(expected) or math.isnan(actual):
            return math.isnan(expected) and math.isnan(actual)
        return expected == actual and math.copysign(1, expected) == math.copysign(1, actual)
    if isinstance(expected, dict):
        return expected.keys() == actual.keys() and all(same(part, actual[key]) for key, part in expected.items())
    if isinstance(expected, list | tuple):
        return len(expected) == len(actual) and all(map(same, expected, actual))
    return bool(expected == actual)
