"""Built-ins of the asynchronous ABI (CanonicalABI.md, from `canon context.get` on), as far as they run yet.

The engine has checked that a core module imports a built-in as the function that it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.component.handles import trap
from proxy.component.plan import Builtin
from proxy.sandbox import HostCallback, carry, raw_values_at

if TYPE_CHECKING:
    from proxy.component.instance import Cell

_one_at = raw_values_at(1)


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
