"""Built-ins of the asynchronous ABI (CanonicalABI.md, from `canon context.get` on), as far as they run yet.

The engine has checked that a core module imports a built-in as the function that it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.component.handles import trap
from proxy.component.plan import Builtin
from proxy.component.types import ValueType
from proxy.sandbox import HostCallback, carry, raw_values_at

if TYPE_CHECKING:
    from proxy.component.instance import Cell, Instance

_one_at = raw_values_at(1)


class Task:
    """A call of a function lifted with the option async: it has a result when it has called task.return."""

    __slots__ = ("_result", "_returned", "_type")

    def __init__(self, kind: ValueType | None) -> None:
        self._type = kind
        self._returned = False
        self._result: object = None

    def returns(self, kind: ValueType | None, value: object) -> None:
        if self._returned:
            raise trap("task.return called twice")
        if kind != self._type:
            raise trap("invalid task.return: the function has another result")
        self._returned = True
        self._result = value

    def result(self) -> object:
        if not self._returned:
            raise trap("the task ended without calling task.return")
        return self._result


def task_return(component: int, kind: ValueType | None) -> Callable[..., None]:
    def give(instance: Instance, value: object = None) -> None:
        task = instance.components[component].task
        if task is None:
            raise trap("task.return outside of a task that may call it")
        task.returns(kind, value)

    return give


def builtin(definition: Builtin, component: int, cell: Cell) -> HostCallback:
    """The host function for a built-in of this component instance."""
    name, slot = definition.name, definition.slot

    def context_get(env: int, caller: int, address: int, count: int) -> int:
        _one_at(address)[0] = cell.current.components[component].storage[slot]
        return 0

    def context_set(env: int, caller: int, address: int, count: int) -> int:
        cell.current.components[component].storage[slot] = _one_at(address)[0] & 0xFFFFFFFF
        return 0

    def nothing(env: int, caller: int, address: int, count: int) -> int:
        """Back-pressure holds back calls that would begin while others wait, and none wait yet."""
        return 0

    def unsupported(env: int, caller: int, address: int, count: int) -> int:
        if not cell.current.components[component].may_leave:
            return carry(trap("cannot leave component instance"))
        return carry(trap(f"{name} (Component Model 0.3) is not supported yet"))

    known = {
        "context.get": context_get,
        "context.set": context_set,
        "backpressure.inc": nothing,
        "backpressure.dec": nothing,
    }
    return known.get(name, unsupported)
