"""Bytes to a component that can be linked, and to the interfaces of a WIT package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.component.binary import decode_definitions
from proxy.component.binary.skeleton import Skeleton, skeleton
from proxy.component.plan import Plan
from proxy.component.resolve import resolve, resolve_interfaces
from proxy.component.types import ExternType, InstanceType


@dataclass(frozen=True, slots=True)
class Component:
    """A decoded component. Nothing of it has been compiled or validated by the engine yet."""

    plan: Plan
    skeleton: Skeleton

    @property
    def imports(self) -> Mapping[str, ExternType]:
        """By name, in order. Interfaces are InstanceType."""
        return self.plan.imports

    @property
    def exports(self) -> Mapping[str, ExternType]:
        """By name, in order. Interfaces are InstanceType."""
        return self.plan.exports

    @property
    def core_modules(self) -> tuple[bytes, ...]:
        return tuple(module for module in self.plan.modules if module)


def decode(data: bytes) -> Component:
    """Raises DecodeError, with the offset, and nothing else."""
    definitions = decode_definitions(data)
    return Component(resolve(definitions), skeleton(data, definitions))


def interfaces(data: bytes) -> Mapping[str, InstanceType]:
    """The interfaces of a WIT package that `wasm-tools component wit --wasm` encoded, by full name: those it defines
    and those its worlds import or export from others."""
    return resolve_interfaces(decode_definitions(data))
