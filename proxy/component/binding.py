"""What instances of a linked component are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.component.handles import GuestResource
from proxy.component.instance import ContextPlan, Instance
from proxy.sandbox import Linker, Module, StoreLayout


class LinkError(Exception):
    """The component and this host do not fit together; the message says which import or export, and how."""


Maker = Callable[[Instance], None]


@dataclass(frozen=True, slots=True)
class Kept:
    """What a core instance keeps: numbers of externs."""

    slot: int
    memories: list[int]
    globals: list[int]


@dataclass(slots=True)
class Binding:
    """What instances are made from. Externs are numbered; `names` has core instance and export name of each."""

    externs: int
    names: list[tuple[int, bytes]]
    contexts: list[ContextPlan]
    components: int
    implementers: Mapping[int, int]
    """Where the component instances of the plan are among those that hold state."""
    memories: int
    layout: StoreLayout
    makers: list[Maker]
    first: list[int]
    """Core instances that every instance needs."""
    acting: list[Maker]
    """When making core instances runs guest code: all that must be done at once, in order. Else empty."""
    kept: list[Kept] | None
    """All that core instances keep of their code's doing; None when the host cannot reach all of it."""
    inlay: int | None
    """The number of the memory of what stands in front of imports."""
    destroy: Callable[[Instance, GuestResource], None]
    arm: Maker
    """To be called before a call that may wait, once for each instance."""
    linkers: list[Linker]
    modules: list[Module]
    """What `makers` know by address."""

    def close(self) -> None:
        for linker in self.linkers:
            linker.close()
