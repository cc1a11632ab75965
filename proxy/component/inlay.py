"""Host functions that are answered inside of the guest's core module, where that can be done so that nobody can tell.

A host function costs two microseconds in Python before it does anything. One that is offered with a function of ours in
front (`HostInterface.inlaid`) is called only where that does not answer. Ours share the guest's core instance, so that
they cost no instance of their own, and have a memory that the guest cannot reach, by which the host tells them what to
answer, and learns what they did (`Instance.inlay`).

They read and write the guest's memory, and allocate by its `cabi_realloc`, as the canonical ABI says of lifting and
lowering strings in UTF-8. So the function has to be lowered with just these options, and into the one module that has
both. What the ABI forbids in the meantime, calls of imports, is seen to be impossible before (`binary.inlaying`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.component.abi import layout
from proxy.component.binary.core_module import code_size, imported_functions
from proxy.component.binary.definitions import Sort
from proxy.component.binary.inlaying import Inlaid, Joined, inlay
from proxy.component.binary.writing import functype
from proxy.component.plan import CoreDefinition, CoreExport, ImportedFunc, LiftedFunc, Lowered, Options, Plan
from proxy.component.shims import Elided, elide
from proxy.component.types import Variant

if TYPE_CHECKING:
    from proxy.component.link import HostInterface


@dataclass(frozen=True, slots=True)
class Inlay:
    """`plan`: with one module that has ours in it, `slot`: the core instance of that module."""

    plan: Plan
    slot: int
    joined: Mapping[str, Joined]
    """Its exports that have a function of ours which calls their post-return too, where nothing is to be lifted."""


def inlaid(plan: Plan, hosts: Mapping[str, HostInterface], is_valid: Callable[[bytes], bool]) -> Inlay | None:
    """None where there is nothing that it could be done for. is_valid: of a core module."""
    if not any(host.inlaid for host in hosts.values()):
        return None
    elided = elide(plan)
    for slot, made in enumerate(plan.core_instances):
        original = plan.modules[made.module]
        if slot in elided.gone or sum(each.module == made.module for each in plan.core_instances) > 1:
            continue
        if code_size(original) > LONGEST:
            continue
        fronts = _Fronts(plan, slot, hosts, elided)
        kept_in = fronts.kept_in()
        if not fronts.wanted or fronts.realloc is None or kept_in is None:
            continue
        if not is_valid(original):
            return None
        joined = fronts.joined()
        module = inlay(original, fronts.wanted, fronts.realloc, kept_in, joined)
        if module is not None:
            modules = (*plan.modules[: made.module], module, *plan.modules[made.module + 1 :])
            return Inlay(replace(plan, modules=modules), slot, {each.export: each for each in joined})
    return None


LONGEST = 1 << 20
"""Bytes of code that are looked at: more takes too long, and belongs to guests that take long anyway."""

LEAST_MEMORY = 1 << 20
"""Of a limit: the engine holds our memory, a page, to that of the guest's."""

_MOST_IN_A_BYTE, _MOST_CASES = 64, 256
"""Of a number, and of the cases of a variant, so that a byte is enough."""


class _Fronts:
    """What could stand in front of the imports of one core instance."""

    def __init__(self, plan: Plan, slot: int, hosts: Mapping[str, HostInterface], elided: Elided) -> None:
        self._plan, self._slot, self._hosts, self._elided = plan, slot, hosts, elided
        self.wanted: dict[tuple[str, str], tuple[Inlaid, bytes]] = {}
        self.realloc: str | None = None
        """The export by which all of them allocate."""
        made = plan.core_instances[slot]
        for where, name in imported_functions(plan.modules[made.module]):
            bag = made.args.get(where)
            found = CoreExport(bag, name) if isinstance(bag, int) else (bag or {}).get(name, (None, None))[1]
            definition = None if found is None else elided.behind(found)
            if isinstance(definition, Lowered) and isinstance(definition.func, ImportedFunc):
                self._consider((where, name), definition.func, definition.options)

    def _consider(self, name: tuple[str, str], func: ImportedFunc, options: Options) -> None:
        host = self._hosts.get(func.interface)
        front = None if host is None else host.inlaid.get(func.name)
        if front is None or options.encoding != "utf8" or options.is_async:
            return
        needs = layout.needs(func.type, lifted=False)
        if needs.memory and self._own(options.memory) is None:
            return
        realloc = self._own(options.realloc) if needs.realloc else self.realloc or "cabi_realloc"
        if realloc is not None and self.realloc in (None, realloc):
            self.realloc = realloc
            self.wanted[name] = front, functype(*layout.lowered_signature(func.type))

    def _own(self, definition: CoreDefinition | None) -> str | None:
        """The name of an export of this core instance."""
        found = None if definition is None else self._elided.behind(definition)
        return found.name if isinstance(found, CoreExport) and found.instance == self._slot else None

    def kept_in(self) -> set[str] | None:
        """Its exports that may run while the component may not call imports; None when that cannot be told."""
        kept: set[str] = set()
        elsewhere = False
        for options in _all_options(self._plan):
            for definition in (options.realloc, options.post_return):
                name = self._own(definition)
                if name is not None:
                    kept.add(name)
                elsewhere = elsewhere or (definition is not None and name is None)
        return self._given_away(kept) if elsewhere else kept

    def joined(self) -> list[Joined]:
        """Its exports that give a variant, whose first case has no payload, by its address."""
        found: list[Joined] = []
        for functions in self._plan.functions.values():
            for func in functions.values():
                result = func.type.result
                if not isinstance(func, LiftedFunc) or func.type.params or not isinstance(result, Variant):
                    continue
                export, post_return = self._own(func.core), self._own(func.options.post_return)
                alignment, size = layout.alignment(result), layout.size(result)
                small = alignment > 1 and size < _MOST_IN_A_BYTE and len(result.cases) <= _MOST_CASES
                by_address = layout.flat_result(func.type) is None and not func.options.is_async
                if export and post_return and small and by_address and result.cases[0][1] is None:
                    found.append(Joined(export, post_return, alignment, size))
        return found

    def _given_away(self, kept: set[str]) -> set[str] | None:
        """And those that other core instances, which allocate for it, could call."""
        for made in self._plan.core_instances:
            for bag in made.args.values():
                if bag == self._slot:
                    return None
                for sort, definition in bag.values() if not isinstance(bag, int) else ():
                    name = self._own(definition)
                    if name is not None and sort is not Sort.CORE_MEMORY:
                        if sort is not Sort.CORE_FUNC:
                            return None
                        kept.add(name)
        return kept


def _all_options(plan: Plan) -> Iterator[Options]:
    for functions in plan.functions.values():
        for func in functions.values():
            if isinstance(func, LiftedFunc):
                yield func.options
    for made in plan.core_instances:
        for bag in made.args.values():
            for _, item in bag.values() if not isinstance(bag, int) else ():
                if isinstance(item, Lowered):
                    yield item.options
