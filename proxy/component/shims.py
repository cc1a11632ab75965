"""Takes the shim and fixup modules of wit-component out of a plan.

They only break a cycle: a module's imports need its memory, which is there after it was instantiated with them. This
host finds the memory when an import is called, so the imports can be given directly. What remains of a fixup is its
call of `_initialize`, if it has one. Anything that is not exactly such a pair stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.component.binary.core_module import Shim, as_fixup, as_shim
from proxy.component.binary.definitions import Sort
from proxy.component.plan import CoreDefinition, CoreExport, CoreInstance, Plan


@dataclass(frozen=True, slots=True)
class Elided:
    """`direct`: what stands for the exports of shims. `gone`: core instances that need not be made. `starts`: functions
    to call, by the number of the core instance in whose place they are called."""

    direct: Mapping[CoreExport, CoreDefinition]
    gone: frozenset[int]
    starts: Mapping[int, CoreDefinition]

    def behind(self, definition: CoreDefinition) -> CoreDefinition:
        """The definition behind the exports of shims that are left out."""
        for _ in range(len(self.direct) + 1):
            if not isinstance(definition, CoreExport) or definition not in self.direct:
                break
            definition = self.direct[definition]
        return definition


def elide(plan: Plan, *, forwards: bool = True) -> Elided:
    """`forwards`: whether functions of core instances that are made later may be given by way of the host."""
    shims = {
        number: as_shim(plan.modules[made.module]) for number, made in enumerate(plan.core_instances) if not made.args
    }
    direct: dict[CoreExport, CoreDefinition] = {}
    gone: set[int] = set()
    starts: dict[int, CoreDefinition] = {}
    for number, made in enumerate(plan.core_instances):
        fixup = as_fixup(plan.modules[made.module])
        source = None if fixup is None else _argument(made, fixup.table)
        if fixup is None or not isinstance(source, CoreExport):
            continue
        shim = shims.get(source.instance)
        if shim is None or source.name != shim.table or _table_users(plan, source) != 1:
            continue
        slots = [_argument(made, function) for function in fixup.functions]
        if not forwards and any(isinstance(slot, CoreExport) for slot in slots):
            continue
        if None in slots or any(slot >= len(slots) for slot in shim.slots.values()):
            continue
        direct.update(_direct(source.instance, shim, slots))
        gone |= {number, source.instance}
        start = None if fixup.start is None else _argument(made, fixup.start)
        if start is not None:
            starts[number] = start
    return Elided(direct, frozenset(gone), starts)


def _argument(made: CoreInstance, name: tuple[str, str]) -> CoreDefinition | None:
    """What a core instantiation gives for an import."""
    bag = made.args.get(name[0])
    if bag is None or isinstance(bag, int):
        return None if bag is None else CoreExport(bag, name[1])
    found = bag.get(name[1])
    return None if found is None else found[1]


def _table_users(plan: Plan, table: CoreExport) -> int:
    """How many core instantiations are given this table, or the whole instance that exports it."""
    users = 0
    for made in plan.core_instances:
        for bag in made.args.values():
            if isinstance(bag, int):
                users += bag == table.instance
            else:
                users += any(sort is Sort.CORE_TABLE and item == table for sort, item in bag.values())
    return users


def _direct(instance: int, shim: Shim, slots: list[CoreDefinition | None]) -> dict[CoreExport, CoreDefinition]:
    found = {CoreExport(instance, name): slots[slot] for name, slot in shim.slots.items()}
    return {export: item for export, item in found.items() if item is not None}
