"""Exported functions that take nothing and mostly give nothing, as those of filters: called without generated code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from proxy.component.abi.functions import Target, result_lifter
from proxy.component.instance import IDLE, Instance
from proxy.component.types import FuncType, Variant
from proxy.sandbox import CALL_RUNTIME, RawValues, call

_call: Final = CALL_RUNTIME["CALL"]
_trap: Final = CALL_RUNTIME["TRAP"]
_trap_argument: Final = CALL_RUNTIME["TRAP_ARGUMENT"]
_failure: Final = CALL_RUNTIME["failure"]

_JOINED: Final = 0xFFFF_FFFF
"""What the function of `Target.joined` gives for a variant's first case, which has no payload."""


class Bare:
    """`export(instance)` is a call from the host (canon lift). first: what it gives, unless there is something for
    `lift`, which gets it from the raw values."""

    __slots__ = ("_component", "_count", "_first", "_function", "_lift", "_post_return", "_raw", "_start", "type")

    def __init__(
        self,
        kind: FuncType,
        target: Target,
        values: RawValues,
        first: object,
        lift: Callable[[Instance], Any] | None,
    ) -> None:
        self.type = kind
        self._function = target.function if target.joined is None else target.joined
        self._post_return = target.post_return or 0
        self._component = target.component
        self._raw: Any = values.buffer
        self._start = values.start
        self._count = values.count
        self._first: Any = first
        self._lift = lift

    def __call__(self, instance: Instance, /) -> Any:
        previous = instance.enter()
        try:
            function = self._function
            found = instance.funcs[function] or instance.find(function)
            error = _call(instance.context, found, self._start, self._count, _trap_argument)  # as `call`
            if error or _trap[0]:
                raise _failure(error)
            result = self._first
            if self._lift is not None and self._raw[0] & _JOINED != _JOINED:
                result = self._lift(instance)
                component = instance.components[self._component]
                component.may_leave = False
                call(instance.context, instance.address(self._post_return), self._start, self._count)
                component.may_leave = True
            instance.state = IDLE
            return result
        finally:
            instance.leave(previous)


def bare(kind: FuncType, target: Target, runtime: dict[str, Any]) -> Bare | None:
    """The caller of an export, if it is such a function. runtime: what generated functions use."""
    if kind.params or target.threaded:
        return None
    if target.joined is not None:
        assert isinstance(kind.result, Variant)
        lift = result_lifter(kind, target, runtime)
        return Bare(kind, target, runtime["VALUES"], (kind.result.cases[0][0], None), lift)
    if kind.result is not None or target.post_return is not None:
        return None
    return Bare(kind, target, runtime["VALUES"], None, None)
