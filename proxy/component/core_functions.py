"""The host functions and steps of an instance that are the same for every type, hence not generated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from proxy.component.handles import GuestResource, Handle, trap
from proxy.component.plan import ResourceOperation
from proxy.component.types import ResourceType
from proxy.sandbox import (
    CoreFuncType,
    HostCallback,
    ImportSource,
    Linker,
    RawValues,
    Trap,
    argument,
    call,
    carry,
    raw_values_at,
)

if TYPE_CHECKING:
    from proxy.component.instance import Cell, Instance
    from proxy.component.tasks.state import ComponentState

_one_at = raw_values_at(1)


def forward(number: int, kind: CoreFuncType, cell: Cell) -> HostCallback:
    """A function that is another core function, found when called: what it breaks the cycle with, a shim did in
    Wasm."""
    count = argument(max(len(kind.params), len(kind.results)))

    def callback(env: int, caller: int, address: int) -> int:
        try:
            instance = cell.current
            function = instance.funcs[number] or instance.find(number)
            call(instance.context, function, argument(address), count)
        except BaseException as error:
            return carry(error)
        return 0

    return callback


def resource_operation(
    operation: ResourceOperation, component: int, cell: Cell, destroy: Callable[[Instance, Any], None] | None
) -> HostCallback:
    """canon resource.new, resource.rep and resource.drop."""
    resource = operation.resource

    def new(instance: Instance, state: ComponentState, value: int) -> int:
        if not state.may_leave:
            raise _may_not_leave()
        return state.handles.add(Handle(resource, value, True))

    def rep(instance: Instance, state: ComponentState, value: int) -> int:
        number = state.handles.get(value, resource).representation
        assert isinstance(number, int)
        return number

    def drop(instance: Instance, state: ComponentState, value: int) -> int:
        if not state.may_leave:
            raise _may_not_leave()
        handle = state.handles.remove(value, resource)
        if handle.own:
            assert destroy is not None
            destroy(instance, handle.representation)
        elif handle.scope is not None:
            handle.scope.borrows -= 1
        return 0

    body = {"new": new, "rep": rep, "drop": drop}[operation.operation]

    def callback(env: int, caller: int, address: int) -> int:
        try:
            slots = _one_at[address]
            instance = cell.current
            slots[0] = body(instance, instance.components[component], slots[0] & 0xFFFFFFFF)
        except BaseException as error:
            return carry(error)
        return 0

    return callback


def no_entry(instance: Instance, *arguments: object) -> NoReturn:
    """A call of a component into itself, into a part of it or into what it is a part of."""
    raise trap("cannot enter component instance")


def _may_not_leave() -> Trap:
    return trap("cannot leave component instance")


def host_destructor(function: Callable[[Any, Any], object] | None) -> Callable[[Instance, Any], None]:
    def destroy(instance: Instance, value: Any) -> None:
        if function is not None:
            function(instance.data, value)

    return destroy


def guest_destructor(number: int | None) -> Callable[[Instance, Any], None]:
    values = RawValues(1)

    def destroy(instance: Instance, representation: Any) -> None:
        if number is not None:
            values.buffer[0] = representation
            call(instance.context, instance.address(number), values.start, values.count)

    return destroy


def destroyer(destructors: Mapping[ResourceType, int | None]) -> Callable[[Instance, GuestResource], None]:
    """Ends resources that the host owns."""
    by_resource = {resource: guest_destructor(number) for resource, number in destructors.items()}

    def destroy(instance: Instance, resource: GuestResource) -> None:
        representation = resource.take()
        if resource.resource in by_resource:
            by_resource[resource.resource](instance, representation)

    return destroy


def make(slot: int) -> Callable[[Instance], None]:
    def step(instance: Instance) -> None:
        instance.make(slot)

    return step


def start(number: int) -> Callable[[Instance], None]:
    values = RawValues(1)

    def step(instance: Instance) -> None:
        call(instance.context, instance.find(number), values.start, values.count)

    return step


def prepared(slot: int, pre: int) -> Callable[[Instance], None]:
    """Makes a core instance whose imports are all host functions."""

    def maker(instance: Instance) -> None:
        instance.store.instantiate_pre(slot, pre)

    return maker


def slots(sources: Sequence[ImportSource]) -> list[int]:
    """The core instances that are imported from."""
    return sorted({where for where, _ in sources if isinstance(where, int)})


def assembled(
    slot: int, module: int, linker: Linker | None, sources: Sequence[ImportSource]
) -> Callable[[Instance], None]:
    """Makes a core instance that also imports from other core instances. A source is such an instance and the name of
    its export, or the two names of a host function."""
    room = RawValues(2 * max(1, len(sources)))
    before = slots(sources)

    def maker(instance: Instance) -> None:
        for earlier in before:
            instance.make(earlier)
        instance.store.instantiate(slot, module, sources, linker, room)

    return maker
