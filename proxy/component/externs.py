"""Exports of core instances by number: those that anything of an instance refers to.

The raw calls do not check types, so the type of every core function that is ever called from here is compared, once,
with what the canonical ABI makes of its component function. What host functions look like wasmtime checks itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from proxy.component.binding import LinkError
from proxy.component.plan import CoreDefinition, CoreExport, Plan
from proxy.component.shims import Elided
from proxy.sandbox import CoreFuncType, CoreMemoryType, Module


class Externs:
    """`names`: core instance and export name by number."""

    def __init__(self, plan: Plan, modules: Sequence[Module], elided: Elided) -> None:
        self._plan = plan
        self._modules = modules
        self._elided = elided
        self._numbers: dict[CoreExport, int] = {}
        self.names: list[tuple[int, bytes]] = []

    def extern(self, definition: CoreExport, kind: str) -> int:
        """The number of an export, which must be there and of this kind."""
        return self.number(self.exported(definition, kind))

    def exported(self, definition: CoreExport, kind: str) -> CoreExport:
        """The same; it must be there and of this kind."""
        module = self._modules[self._plan.core_instances[definition.instance].module]
        found = module.exports.get(definition.name)
        if found is None or found.kind != kind or definition.instance in self._elided.gone:
            raise LinkError(f"a core module does not export the {kind} {definition.name!r}")
        return definition

    def number(self, definition: CoreExport) -> int:
        if definition not in self._numbers:
            self._numbers[definition] = len(self.names)
            self.names.append((definition.instance, definition.name.encode()))
        return self._numbers[definition]

    def numbered(self, instance: int, names: Sequence[str]) -> list[int]:
        """The numbers of exports that are there."""
        return [self.number(CoreExport(instance, name)) for name in names]

    def function(self, definition: CoreDefinition | None, kind: CoreFuncType, what: str) -> int:
        """The number of a core function of exactly this type."""
        definition = None if definition is None else self._elided.behind(definition)
        if not isinstance(definition, CoreExport):
            raise LinkError(f"{what} is not an export of a core module")
        number = self.extern(definition, "func")
        module = self._modules[self._plan.core_instances[definition.instance].module]
        found = module.exports[definition.name].type
        if found != kind:
            raise LinkError(
                f"{what}: the core function {definition.name!r} is {found}, the component type asks for {kind}"
            )
        return number

    def memory(self, definition: CoreDefinition) -> int:
        definition = self._elided.behind(definition)
        if not isinstance(definition, CoreExport):
            raise LinkError("a memory is not an export of a core module")
        number = self.extern(definition, "memory")
        found = self._modules[self._plan.core_instances[definition.instance].module].exports[definition.name].type
        if not isinstance(found, CoreMemoryType) or found.is_64:
            raise LinkError("64-bit memories are not supported")
        return number
