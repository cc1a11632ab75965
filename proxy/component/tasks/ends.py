"""The ends of streams and futures in handle tables, and the built-ins that work on them (CanonicalABI.md, from `canon
{stream,future}.new` on)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from proxy.component.handles import trap
from proxy.component.tasks.buffer import ElementType, GuestBuffer
from proxy.component.tasks.stream import CANCELLED, COMPLETED, DROPPED, CopyResult, Readable, Shared
from proxy.component.tasks.subtask import BLOCKED, wait_for
from proxy.component.tasks.waitable import Event, EventCode, Waitable, WaitableSet
from proxy.sandbox import Trap

if TYPE_CHECKING:
    from proxy.component.instance import Instance
    from proxy.component.tasks.state import ComponentState
    from proxy.component.types import ValueType


class CopyState(Enum):
    IDLE = 1
    COPYING = 2
    CANCELLING_COPY = 3
    DONE = 4


IDLE, COPYING, CANCELLING_COPY, DONE = CopyState


class CopyEnd(Waitable):
    """An end of a stream or a future. `buffer`: of its copy, `result`: how that went. `reclaims`: what has copied a
    part of it, and may copy more until that is told."""

    __slots__ = ("buffer", "reclaims", "result", "shared", "state")
    buffer: GuestBuffer
    result: CopyResult
    reclaims: Shared | None
    # These three are there from the first copy on.

    what: ClassVar[str] = ""
    verb: ClassVar[str] = ""
    name: ClassVar[str] = ""
    reads: ClassVar[bool] = False
    code: ClassVar[int] = 0

    def __init__(self, shared: Any) -> None:
        self.has_event = self.has_sync_waiter = False
        self.joined: WaitableSet | None = None
        self.index = 0
        self.shared = shared
        self.state = IDLE

    def copying(self) -> bool:
        return self.state is COPYING or self.state is CANCELLING_COPY

    def on_copy(self, shared: Shared) -> None:
        self.reclaims = shared
        self.result = COMPLETED
        self.tell()

    def on_copy_done(self, result: CopyResult) -> None:
        self.reclaims = None
        self.result = result
        self.has_event = True
        if self.joined is not None:
            self.joined.pending[self] = None

    def event(self) -> Event:
        """Of a stream: how many elements were copied, and whether it is over."""
        if self.reclaims is not None:
            self.reclaims.reclaim()
            self.reclaims = None
        buffer, result = self.buffer, self.result
        self.state = DONE if result is DROPPED else IDLE
        return self.code, self.index, result | (buffer.length - buffer.remain) << 4

    def drop(self) -> None:
        state = self.state
        if state is COPYING or state is CANCELLING_COPY:
            raise trap(f"cannot remove busy {self.what}")
        self.shared.drop()
        if self.joined is not None or self.has_sync_waiter:
            self.join(None)


class ReadableStreamEnd(CopyEnd):
    __slots__ = ()
    what, verb, name, reads, code = "stream", "read", "read end", True, int(EventCode.STREAM_READ)


class WritableStreamEnd(CopyEnd):
    __slots__ = ()
    what, verb, name, code = "stream", "write", "write end", int(EventCode.STREAM_WRITE)


class FutureEnd(CopyEnd):
    __slots__ = ()

    def event(self) -> Event:
        result = self.result
        self.state = IDLE if result is CANCELLED else DONE
        return self.code, self.index, result


class ReadableFutureEnd(FutureEnd):
    __slots__ = ()
    what, verb, name, reads, code = "future", "read", "read end", True, int(EventCode.FUTURE_READ)


class WritableFutureEnd(FutureEnd):
    __slots__ = ()
    what, verb, name, code = "future", "write", "write end", int(EventCode.FUTURE_WRITE)

    def drop(self) -> None:
        if self.state is not DONE:
            raise trap("cannot drop future write end without first writing a value")
        super().drop()


READABLE = {True: ReadableStreamEnd, False: ReadableFutureEnd}
WRITABLE = {True: WritableStreamEnd, False: WritableFutureEnd}
"""By whether it is of a stream."""


@dataclass(frozen=True, slots=True)
class EndType:
    """What a built-in is declared for: this type of end, of streams or futures of this element, and its options."""

    end: type[CopyEnd]
    element: ElementType
    context: int
    asynchronous: bool


def _check_kind(end: CopyEnd, kind: ValueType | None) -> None:
    if end.shared.kind != kind:  # goes through all their parts
        raise trap(f"a {end.what} of another type")


def copier(ends: EndType) -> Callable[..., Any]:
    """canon {stream,future}.{read,write}."""
    element, kind, context, asynchronous = ends.element, ends.end, ends.context, ends.asynchronous
    name, reads, wanted = kind.name, kind.reads, element.kind

    def copy(instance: Instance, component: ComponentState, index: int, pointer: int, length: int = 1) -> Any:
        end = component.handles.entry(index, kind, name)
        shared = end.shared
        if shared.kind is not wanted:
            _check_kind(end, wanted)
        if end.state is not IDLE:
            busy = "while another operation is in progress" if end.copying() else "after it was over"
            raise trap(f"cannot {end.verb} a {end.what} {busy}")
        if end.joined is not None and not asynchronous:
            raise _in_a_set()
        cx = instance.contexts[context] or instance.open(context)
        end.buffer = buffer = GuestBuffer(cx, element, pointer, length)
        end.state = COPYING
        end.index = index
        if reads:
            shared.read(component, buffer, end)
        else:
            shared.write(component, buffer, end)
        if end.has_event:
            return end.get_pending_event()[2]
        return BLOCKED if asynchronous else wait_for(end)

    return copy


def canceller(ends: EndType) -> Callable[..., Any]:
    """canon {stream,future}.cancel-{read,write}. Whoever is at the other end gives the buffer back at once, the host
    too, so it never blocks."""
    kind, wanted, asynchronous = ends.end, ends.element.kind, ends.asynchronous

    def cancel(instance: Instance, component: ComponentState, index: int) -> Any:
        end = component.handles.entry(index, kind, kind.name)
        if end.shared.kind is not wanted:
            _check_kind(end, wanted)
        if end.state is not COPYING or end.has_sync_waiter:
            raise trap(f"no {end.verb} of the {end.what} is in progress that could be cancelled")
        if end.joined is not None and not asynchronous:
            raise _in_a_set()
        end.state = CANCELLING_COPY
        if not end.has_event or end.shared.is_pending(end.buffer):
            # What was copied of it already is told with its end, as the specification's own tests want
            # (test/async/cancel-stream.wast); by CanonicalABI.md it would have ended as if nobody had cancelled it.
            end.shared.cancel()
        return end.get_pending_event()[2]

    return cancel


def _in_a_set() -> Trap:
    return trap("waitable cannot be used synchronously while added to a waitable set")


def dropper(ends: EndType) -> Callable[..., None]:
    """canon {stream,future}.drop-{readable,writable}."""
    kind, name, wanted = ends.end, ends.end.name, ends.element.kind

    def drop(instance: Instance, component: ComponentState, index: int) -> None:
        end = component.handles.take(index, kind, name)
        if end.shared.kind is not wanted:
            _check_kind(end, wanted)
        end.drop()

    return drop


# Lifting and lowering (lift_async_value, lower_stream, lower_future).


def lift(component: ComponentState, index: int, element: ValueType | None, kind: type[CopyEnd]) -> Readable:
    end = component.handles.take(index, kind, "readable end")
    if end.shared.kind is not element:
        _check_kind(end, element)
    if end.state is not IDLE:
        over = "after being notified that it is over" if end.state is DONE else "while it is read"
        raise trap(f"cannot lift {end.what} {over}")
    if end.joined is not None:
        raise trap(f"cannot lift {end.what} while it's in a waitable set")
    shared: Readable = end.shared
    shared.leave()
    return shared
