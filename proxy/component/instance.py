"""A component instance while it lives: one store, its core instances made when needed, its contexts, its state."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from operator import add
from struct import Struct
from typing import TYPE_CHECKING, Any, Final

from proxy.component.abi.layout import MAX_BYTE_LENGTH
from proxy.component.batch import ARGUMENTS, BATCHES, RESULTS, SLOTS
from proxy.component.handles import BorrowScope, ErrorContext, GuestResource, Handle, trap
from proxy.component.tasks import ends
from proxy.component.tasks.ends import ReadableFutureEnd, ReadableStreamEnd
from proxy.component.tasks.scheduler import Scheduler
from proxy.component.tasks.state import ComponentState
from proxy.component.tasks.writer import HostReadable
from proxy.component.types import ResourceType, ValueType
from proxy.sandbox import CALL_RUNTIME, Argument, Deadline, Memory, RawValues, Restore, Store

if TYPE_CHECKING:
    from proxy.component.link import Linked

IDLE: Final = 0
RUNNING: Final = 1
OVER: Final = 2

_many = RawValues(SLOTS)
_many_raw: Final = _many.buffer
_many_start: Final = _many.start
_many_count: Final = _many.count
_values = RawValues(4)
_realloc_start: Final = _values.start
_realloc_count: Final = _values.count
_realloc_raw: Final = _values.buffer
_call: Final = CALL_RUNTIME["CALL"]
_trap: Final = CALL_RUNTIME["TRAP"]
_trap_argument: Final = CALL_RUNTIME["TRAP_ARGUMENT"]
_failure: Final = CALL_RUNTIME["failure"]
_REALLOC: Final = Struct("<Q8xQ8xI12xI12x")


@dataclass(frozen=True, slots=True)
class ContextPlan:
    """What a context needs: numbers of externs (see `Binding`), None where the options have none."""

    component: int
    memory: int | None
    realloc: int | None
    batches: int | None
    """The first of the externs that are the functions of `batch_module` around this realloc."""


class _NoMemory:
    """Stands for the memory of functions that need none."""

    size = 0
    view = memoryview(b"")

    def reach(self, end: int) -> None:
        raise trap("the function has no memory")


class Context:
    """The memory, allocator and handles that one set of canonical options stands for, in one instance."""

    __slots__ = ("_batches", "_realloc", "component", "context", "handles", "instance", "left", "memory")

    def __init__(self, instance: Instance, plan: ContextPlan) -> None:
        self.instance = instance
        self.context = instance.store.context
        self.component = instance.components[plan.component]
        self.handles = self.component.handles
        self.left = instance.linked.limits.memory
        self._realloc = None if plan.realloc is None else instance.address(plan.realloc)
        self._batches = plan.batches or 0
        self.memory: Any = _NoMemory()
        if plan.memory is not None:
            self.memory = Memory(self.context, instance.find(plan.memory))

    def realloc(self, alignment: int, size: int) -> int:
        """Fresh memory of the guest, by its `cabi_realloc`."""
        if self._realloc is None:
            raise trap("the function has no realloc")
        _REALLOC.pack_into(_realloc_raw, 0, 0, 0, alignment, size)
        component = self.component
        component.may_leave = False
        error = _call(self.context, self._realloc, _realloc_start, _realloc_count, _trap_argument)
        if error or _trap[0]:
            raise _failure(error)
        component.may_leave = True
        pointer: int = _realloc_raw[0] & 0xFFFFFFFF
        if pointer & (alignment - 1):
            raise trap("realloc return: result not aligned")
        if pointer + size > self.memory.size:
            self.memory.reach(pointer + size)
        return pointer

    def store_blobs(self, blobs: list[bytes], pointer: int) -> None:
        """Each of many strings into fresh guest memory, and their pointers and lengths to where `pointer` says."""
        lengths = list(map(len, blobs))
        if max(lengths) > MAX_BYTE_LENGTH:
            raise ValueError("too long for a component")
        pointers = self._realloc_many(lengths)
        memory = self.memory
        if max(map(add, pointers, lengths)) > memory.size:
            memory.reach(max(map(add, pointers, lengths)))
        view = memory.view
        for start, blob, length in zip(pointers, blobs, lengths, strict=True):
            view[start : start + length] = blob
        pairs = [0] * (2 * len(blobs))
        pairs[::2] = pointers
        pairs[1::2] = lengths
        view[pointer : pointer + 8 * len(blobs)] = array("I", pairs).tobytes()

    def _realloc_many(self, sizes: list[int]) -> list[int]:
        """As `realloc` for each size, with alignment 1, in order."""
        component, instance, first = self.component, self.instance, self._batches
        pointers: list[int] = []
        component.may_leave = False
        for number, count in enumerate(BATCHES, first):
            while len(sizes) - len(pointers) >= count:
                done = len(pointers)
                ARGUMENTS[count].pack_into(_many_raw, 0, 1, *sizes[done : done + count])
                function = instance.funcs[number] or instance.find(number)
                error = _call(self.context, function, _many_start, _many_count, _trap_argument)
                if error or _trap[0]:
                    raise _failure(error)
                pointers += RESULTS[count].unpack_from(_many_raw)
        component.may_leave = True
        return pointers

    # Handles (lift_own, lift_borrow, lower_own, lower_borrow of the specification).

    def scope(self) -> BorrowScope:
        return BorrowScope()

    def lift_own(self, index: int, resource: ResourceType) -> object:
        """Of a resource that a guest implements; generated code does it for the host's."""
        handle = self.handles.remove(index, resource)
        if not handle.own:
            raise trap("cannot lift own resource from a borrow")
        return self._outside(handle, resource, owned=True)

    def lift_borrow(self, index: int, resource: ResourceType, lends: list[Handle]) -> object:
        handle = self.handles.get(index, resource)
        handle.lends += 1
        lends.append(handle)
        if resource.implementer is None:
            return handle.representation
        return self._outside(handle, resource, owned=False)

    def _outside(self, handle: Handle, resource: ResourceType, *, owned: bool) -> object:
        assert isinstance(handle.representation, int)
        return GuestResource(resource, handle.representation, owned)

    def lower_own(self, value: object, resource: ResourceType) -> int:
        representation = value
        if resource.implementer is not None:
            representation = self._inside(value, resource).take()
        return self.handles.add(Handle(resource, representation, True))

    def lower_borrow(self, value: object, resource: ResourceType, scope: BorrowScope) -> int:
        representation = value
        if resource.implementer is not None:
            representation = self._inside(value, resource).representation
            if self.instance.implements(resource, self.component):
                assert isinstance(representation, int)
                return representation
        scope.borrows += 1
        return self.component.handles.add(Handle(resource, representation, False, scope))

    def lift_shared(self, index: int, element: ValueType | None, stream: bool) -> Any:
        """The readable end of a stream or a future (lift_async_value)."""
        return ends.lift(self.component, index, element, ReadableStreamEnd if stream else ReadableFutureEnd)

    def lower_shared(self, value: Any, element: ValueType | None, stream: bool) -> int:
        if isinstance(value, HostReadable):
            value.attach(self.instance.scheduler, element)
        return self.handles.add(ReadableStreamEnd(value) if stream else ReadableFutureEnd(value))

    def lift_error_context(self, index: int) -> ErrorContext:
        return self.component.handles.entry(index, ErrorContext, "error context")

    def lower_error_context(self, value: ErrorContext) -> int:
        return self.component.handles.add(value)

    def _inside(self, value: object, resource: ResourceType) -> GuestResource:
        if not isinstance(value, GuestResource) or value.resource is not resource:
            raise TypeError(f"{value!r} is not a handle of {resource}")
        return value


@dataclass(slots=True)
class Cell:
    """Which instance is running: calls are nested and on one thread."""

    current: Any = field(default=None)


class Instance:
    """One instance of a linked component. It serves one exchange at a time; `data` is what host functions get first.

    After a trap it cannot be called again. `close` frees it and may be called more than once.
    """

    __slots__ = (
        "_begun",
        "_cell",
        "_deadline",
        "_inlay",
        "_scheduler",
        "components",
        "context",
        "contexts",
        "data",
        "funcs",
        "linked",
        "made",
        "restores",
        "state",
        "store",
    )

    def __init__(self, linked: Linked, data: object) -> None:
        binding = linked.binding
        self.linked = linked
        self._cell: Cell = linked.cell
        self._deadline: Deadline = linked.deadline
        self.data = data
        self.state = IDLE
        self.funcs: list[Argument | None] = [None] * binding.externs
        self.contexts: list[Context | None] = [None] * len(binding.contexts)
        self.components = [ComponentState() for _ in range(binding.components)]
        self._begun = self.made = 0
        self._scheduler: Scheduler | None = None
        self._inlay: memoryview | None = None
        self.restores: tuple[int, list[Restore]] | None = None
        """What puts it back (proxy.component.rewind), and for which core instances."""
        self.store = Store(linked.engine, linked.limits, binding.memories, binding.layout)
        self.context = self.store.context
        try:
            if binding.acting:
                self._start()
            else:
                for slot in binding.first:
                    self.make(slot)
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        """Makes core instances whose making runs guest code."""
        previous = self.enter()
        try:
            for step in self.linked.binding.acting:
                step(self)
            self.state = IDLE
        finally:
            self.leave(previous)

    def enter(self, seconds: float | None = None) -> object:
        """Begins a call from the host. `seconds`: what is left of its time, unless that is all of it."""
        if self.state:
            raise RuntimeError("this instance is in a call, or was stopped by a trap, or is closed")
        self.state = RUNNING
        self.store.start_clock(self._deadline, seconds)
        cell = self._cell
        previous, cell.current = cell.current, self
        return previous

    def leave(self, previous: object) -> None:
        """Ends a call. One that has not made the instance idle again has ended it."""
        self._cell.current = previous
        if self.state:
            self.state = OVER

    @property
    def scheduler(self) -> Scheduler:
        """The event loop of its tasks."""
        if self._scheduler is None:
            self._scheduler = Scheduler(self)
        return self._scheduler

    @property
    def running(self) -> bool:
        return self.state == RUNNING

    @property
    def alive(self) -> bool:
        return self.state != OVER

    def stop(self) -> None:
        """It cannot be called any more."""
        self.state = OVER

    def arm(self) -> None:
        """Before a call that may wait."""
        if not self.store.waits:
            self.linked.binding.arm(self)

    @property
    def inlay(self) -> memoryview | None:
        """The memory of what stands in front of its imports, which the guest cannot reach (proxy.component.inlay). It
        is not put back with the rest: what is in it is the host's affair."""
        number = self.linked.binding.inlay
        if self._inlay is None and number is not None:
            self._inlay = Memory(self.context, self.find(number)).view
        return self._inlay

    def implements(self, resource: ResourceType, component: ComponentState) -> bool:
        """Whether a component instance is the one that defines a resource."""
        number = self.linked.binding.implementers.get(resource.implementer or 0)
        return number is not None and self.components[number] is component

    def open(self, number: int) -> Context:
        """The context with this number, on first use."""
        context = self.contexts[number] = Context(self, self.linked.binding.contexts[number])
        return context

    @property
    def untouched(self) -> bool:
        """Nothing is kept for it on this side that a call has brought about."""
        if self.state or self._scheduler is not None:
            return False
        for each in self.components:  # noqa: SIM110  # half the time of all()
            if not each.untouched:
                return False
        return True

    def has(self, slot: int) -> bool:
        """The core instance was made."""
        return bool(self.made & 1 << slot)

    def address(self, number: int) -> Argument:
        """Of the extern with this number."""
        return self.funcs[number] or self.find(number)

    def find(self, number: int) -> Argument:
        """The address of the extern with this number, on first use."""
        slot, name = self.linked.binding.names[number]
        if not self.made & 1 << slot:
            self.make(slot)
        address = self.funcs[number] = self.store.find(slot, name, number)
        return address

    def make(self, slot: int) -> None:
        """Makes a core instance unless it is there. While it is being made it cannot be used: its start function may
        have called an import that wants its memory."""
        bit = 1 << slot
        if self.made & bit:
            return
        if self._begun & bit:
            raise trap("a core instance is used before it is there")
        self._begun |= bit
        self.linked.binding.makers[slot](self)
        self.made |= bit

    def drop(self, resource: GuestResource) -> None:
        """Ends a resource that the host owns: runs the guest's destructor."""
        self.linked.drop(self, resource)

    def close(self) -> None:
        if self.state == RUNNING:
            raise RuntimeError("this instance is in a call")
        self.state = OVER
        if self._scheduler is not None:
            self._scheduler.fail(RuntimeError("the instance was closed"))
            self._scheduler = None
        self.contexts.clear()
        self.components.clear()
        self.store.close()

    def __del__(self) -> None:
        store = getattr(self, "store", None)
        if store is not None:
            store.close()
