"""One guest's store: its core instances, functions and memories, as addresses in a block of C memory.

A fresh store per instance is the product's hot path, so blocks are used again and nothing is made that is not asked
for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from proxy.sandbox import raw
from proxy.sandbox.deadline import Deadline
from proxy.sandbox.limits import Limits
from proxy.sandbox.raw import Argument
from proxy.sandbox.ticker import Ticker
from proxy.sandbox.trap import Trap, TrapKind, take_error, take_trap

if TYPE_CHECKING:
    from proxy.sandbox.engine import Engine
    from proxy.sandbox.linker import ImportSource, Linker

_UNUSED: Final = 10_000
"""Bounds of the store limiter that the pool's own bounds make superfluous."""

_trap: Final = raw.block(8)
_trap_address: Final = raw.address_of(_trap)
_trap_argument: Final = raw.argument(_trap_address)
_call: Final = raw.func_call_unchecked
_set_deadline: Final = raw.context_set_epoch_deadline

_MAX_VIEWS: Final = 4096
_views: Final[dict[tuple[int, int], memoryview]] = {}
"""Views by address and size. The pool hands out the same slots again and again."""

pending: Final[list[BaseException]] = []
"""What host functions raised and wasmtime is carrying to the surface as a trap, innermost last."""


class RawValues:
    """Room for the raw values of a call: `buffer` has two 64-bit words for each. An extern takes as much as two.
    `start` and `count` are what `call` is given."""

    __slots__ = ("address", "buffer", "count", "start")

    def __init__(self, count: int) -> None:
        self.buffer = raw.block(count * raw.RAW_VALUE_SIZE)
        self.address: int = raw.address_of(self.buffer)
        self.start = raw.argument(self.address)
        self.count = raw.argument(count)


class _Slots(dict[int, Any]):
    """Buffers by address: guests call from few places of their stacks, so most are known."""

    def __init__(self, count: int) -> None:
        self._at = raw.slots_type(max(1, count)).from_address

    def __missing__(self, address: int) -> Any:
        if len(self) >= _MAX_VIEWS:
            self.clear()
        slots = self[address] = self._at(address)
        return slots


@cache
def raw_values_at(count: int) -> Mapping[int, Any]:
    """By address the buffer of `count` raw values there."""
    return _Slots(count)


class Memory:
    """A linear memory as the host sees it: `view` is of its first `size` bytes. It may have grown since."""

    __slots__ = ("_address", "_context", "size", "view")

    def __init__(self, context: Argument, address: Argument) -> None:
        self._context = context
        self._address = address
        self.size = 0
        self.view = self.refresh()

    def refresh(self) -> memoryview:
        base = raw.memory_data(self._context, self._address)
        size = raw.memory_data_size(self._context, self._address)
        view = _views.get((base, size))
        if view is None:
            if len(_views) >= _MAX_VIEWS:
                _views.clear()
            view = _views[base, size] = raw.view(base, size)
        self.size = size
        self.view = view
        return view

    def reach(self, end: int) -> tuple[memoryview, int]:
        """The memory, which must go up to `end`. It stays where it is, as the pool has its place for all that it may
        grow to."""
        if end > self.size and self.refresh() and end > self.size:
            raise Trap(TrapKind.ABI, f"address 0x{end:x} is outside of the guest's memory of {self.size} bytes")
        return self.view, self.size


_NEVER = object()
"""A period that there is not (Ticker.epoch)."""


class StoreLayout:
    """Where the parts of a store lie in its block: first the instances, then one extern per name that is used."""

    def __init__(self, instances: int, externs: int) -> None:
        self.size = max(8, instances * raw.INSTANCE_SIZE + externs * raw.EXTERN_SIZE)
        self.externs = instances * raw.INSTANCE_SIZE
        self.blocks: list[tuple[Any, int]] = []


class Store:
    """`slot` below numbers core instances, `index` externs. `pointer` is of its context, which is `context` as an
    argument."""

    __slots__ = ("_block", "_clock", "_layout", "_store", "_ticker", "_ticks", "base", "context", "pointer", "waits")

    def __init__(self, engine: Engine, limits: Limits, memories: int, layout: StoreLayout) -> None:
        if layout.blocks:
            self._block = layout.blocks.pop()
        else:
            block = raw.block(layout.size)
            self._block = block, raw.address_of(block)
        self._ticker: Ticker = engine.ticker
        self.waits = False
        self._clock: object = _NEVER
        self._ticks = 0
        self._layout = layout
        self.base = self._block[1]
        self._store = raw.store_new(engine.address, None, None)
        self.pointer: int = raw.store_context(self._store)
        self.context = raw.argument(self.pointer)
        raw.store_limiter(self._store, limits.memory // memories, limits.tables, _UNUSED, _UNUSED, _UNUSED)

    def close(self) -> None:
        """Frees the store. Views of its memories must not be used any more."""
        if self._store:
            raw.store_delete(self._store)
            self._store = 0
            self._layout.blocks.append(self._block)

    def start_clock(self, deadline: Deadline, seconds: float | None = None) -> None:
        """For a call that may take until the deadline, or that goes on and has so many seconds of it left."""
        ticker = self._ticker
        if seconds is None and ticker.epoch is self._clock and deadline.ticks == self._ticks:
            return  # the same deadline as for the call before
        ticker.running = True
        if ticker.asleep:
            ticker.wake()
        self._clock, self._ticks = ticker.epoch if seconds is None else None, deadline.ticks
        if self._clock is None:
            self._clock = _NEVER
        _set_deadline(self.pointer, deadline.ticks if seconds is None else ticker.ticks(seconds))

    def instantiate_pre(self, slot: int, pre: int) -> None:
        error = raw.instance_pre_instantiate(pre, self.pointer, self.base + slot * raw.INSTANCE_SIZE, _trap_address)
        if error or _trap[0]:
            raise _failure(error)

    def instantiate(
        self, slot: int, module: int, sources: Sequence[ImportSource], linker: Linker | None, room: RawValues
    ) -> None:
        """Instantiates with imports from core instances that are there, and from a linker; `room` is for them."""
        for number, source in enumerate(sources):
            self.put(source, linker, room.address + number * raw.EXTERN_SIZE)
        at = self.base + slot * raw.INSTANCE_SIZE
        error = raw.instance_new(self.pointer, module, room.address, len(sources), at, _trap_address)
        if error or _trap[0]:
            raise _failure(error)

    def put(self, source: ImportSource, linker: Linker | None, extern: int) -> None:
        """Puts what is given for an import into the extern at an address."""
        where, name = source
        if isinstance(where, int):
            at = self.base + where * raw.INSTANCE_SIZE
            raw.instance_export_get(self.pointer, at, name, len(name), extern)
        elif linker is not None:
            linker.get(self.pointer, where, name, extern)

    def find(self, slot: int, name: bytes, index: int) -> Argument:
        """Puts an export of a core instance into extern `index`; the address of what it holds. The link has checked
        that it is there."""
        extern = self.base + self._layout.externs + index * raw.EXTERN_SIZE
        raw.instance_export_get(self.pointer, self.base + slot * raw.INSTANCE_SIZE, name, len(name), extern)
        return raw.argument(extern + raw.EXTERN_OF)


def _failure(error: int) -> BaseException:
    """The exception for what a call into wasmtime returned, which is freed. A host function's trap comes as an
    error."""
    address, _trap[0] = _trap[0], 0
    failure = take_error(error) if error else take_trap(address)
    cause = pending.pop() if pending else failure
    if cause is failure:
        return failure
    frames = failure.backtrace if isinstance(failure, Trap) else ""
    if isinstance(cause, Trap):
        cause.backtrace = "\n".join(filter(None, (cause.backtrace, frames)))
        return cause
    if not isinstance(cause, Exception):
        return cause
    wrapped = Trap(TrapKind.HOST, f"{type(cause).__name__}: {cause}", frames)
    wrapped.__cause__ = cause
    return wrapped


def failed(error: int, trap: int) -> BaseException:
    """The exception for what a call on a fiber ended with: an error, or a trap."""
    _trap[0] = trap
    return _failure(error)


def call(context: Argument, func: Argument, start: Argument, count: Argument) -> None:
    """Calls a function with the raw values that are at `start`, where its results will be; there is room for `count`.
    Unchecked: the link has compared the function's type with what the values are."""
    error = _call(context, func, start, count, _trap_argument)
    if error or _trap[0]:
        raise _failure(error)


CALL_RUNTIME: dict[str, Any] = {
    "CALL": _call,
    "TRAP": _trap,
    "TRAP_ARGUMENT": _trap_argument,
    "failure": _failure,
}
"""The parts of `call`, for generated code that has it inline:
error = CALL(context, func, start, count, TRAP_ARGUMENT), and raise failure(error) when error or TRAP[0]."""


_HOST_TRAP = b"host function failed"


def carry(error: BaseException) -> int:
    """What a host function returns to wasmtime instead of 0 when it raised: a trap, `error` waiting for it to
    surface."""
    pending.append(error)
    trap: int = raw.trap_new(_HOST_TRAP, len(_HOST_TRAP))
    return trap
