"""Handle tables and resources (CanonicalABI.md, table state and resource state)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from proxy.component.types import ResourceType
from proxy.sandbox import Trap, TrapKind

MAX_HANDLES = 1 << 16
"""Of one component instance at a time. The specification allows more; a guest that needs them is leaking."""


T = TypeVar("T")


def trap(message: str) -> Trap:
    """The guest broke a rule of the canonical ABI."""
    return Trap(TrapKind.ABI, message)


@dataclass(slots=True, eq=False)
class GuestResource:
    """The host's hold of a resource that a guest implements. `representation` is the guest's own number for it."""

    resource: ResourceType
    representation: int
    owned: bool
    taken: bool = False

    def take(self) -> int:
        """Gives the resource back to the guest side."""
        if self.taken or not self.owned:
            raise ValueError(f"this handle of {self.resource} is borrowed, or was given away already")
        self.taken = True
        return self.representation


@dataclass(slots=True, eq=False)
class Handle:
    """An entry of a handle table. `representation` is a number of the implementing guest, or an object of the host."""

    resource: ResourceType
    representation: Any
    own: bool
    scope: BorrowScope | None = None
    lends: int = 0


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """What went wrong, for people to read."""

    debug_message: str


class BorrowScope:
    """One call of a guest: handles it has borrowed must be dropped before it returns."""

    __slots__ = ("borrows",)

    def __init__(self) -> None:
        self.borrows = 0

    def close(self) -> None:
        if self.borrows:
            raise trap("borrow handles still remain at the end of the call")


class HandleTable:
    """Handles of resources, waitables, sets of them and error contexts.

    Index 0 is never used. Freed indices are used again, the last one first.
    """

    __slots__ = ("_entries", "_free")

    def __init__(self) -> None:
        self._entries: list[object] = [None]
        self._free: list[int] = []

    @property
    def untouched(self) -> bool:
        """It has never had any."""
        return len(self._entries) == 1

    def get(self, index: int, resource: ResourceType) -> Handle:
        try:
            handle = self._entries[index]
        except IndexError:
            handle = None
        if type(handle) is Handle and handle.resource is resource:
            return handle
        if handle is None:
            raise trap(f"unknown handle index {index}")
        if type(handle) is not Handle:
            raise trap(f"handle index {index} is not of a resource")
        raise trap(f"handle index {index} is used with the wrong type: it is a {handle.resource}")

    def entry(self, index: int, kind: type[T], what: str) -> T:
        """What else than a resource's handle is there."""
        try:
            found = self._entries[index]
        except IndexError:
            found = None
        if isinstance(found, kind):
            return found
        raise trap(f"unknown handle index {index}" if found is None else f"handle index {index} is not a {what}")

    def take(self, index: int, kind: type[T], what: str) -> T:
        entries = self._entries
        found = entries[index] if index < len(entries) else None
        if not isinstance(found, kind):
            return self.entry(index, kind, what)  # which says what is wrong
        entries[index] = None
        self._free.append(index)
        return found

    def add(self, handle: object) -> int:
        if self._free:
            index = self._free.pop()
            self._entries[index] = handle
            return index
        index = len(self._entries)
        if index > MAX_HANDLES:
            raise trap(f"more than {MAX_HANDLES} handles")
        self._entries.append(handle)
        return index

    def remove(self, index: int, resource: ResourceType) -> Handle:
        entries = self._entries
        found = entries[index] if index < len(entries) else None
        handle = found if type(found) is Handle and found.resource is resource else self.get(index, resource)
        if handle.lends:
            raise trap("cannot remove a handle that is lent")
        entries[index] = None
        self._free.append(index)
        return handle
