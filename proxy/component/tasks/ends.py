"""The ends of streams and futures in handle tables, and the built-ins that work on them (CanonicalABI.md, from `canon
{stream,future}.new` on)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from proxy.component.handles import trap
from proxy.component.tasks.buffer import ElementType, GuestBuffer
from proxy.component.tasks.stream import CopyResult, Readable, Reclaim, SharedFuture, SharedStream
from proxy.component.tasks.subtask import BLOCKED, wait_for
from proxy.component.tasks.waitable import Event, EventCode, Waitable

if TYPE_CHECKING:
    from proxy.component.instance import Instance
    from proxy.component.tasks.state import ComponentState
    from proxy.component.types import ValueType


class CopyState(Enum):
    IDLE = 1
    COPYING = 2
    CANCELLING_COPY = 3
    DONE = 4


class CopyEnd(Waitable):
    """An end of a stream or a future. `buffer`: of its copy."""

    __slots__ = ("buffer", "shared", "state")

    what: ClassVar[str] = ""
    verb: ClassVar[str] = ""
    name: ClassVar[str] = ""
    code: ClassVar[EventCode] = EventCode.NONE

    def __init__(self, shared: Any) -> None:
        super().__init__()
        self.shared = shared
        self.state = CopyState.IDLE
        self.buffer: GuestBuffer | None = None

    def copying(self) -> bool:
        return self.state in (CopyState.COPYING, CopyState.CANCELLING_COPY)

    def event(self, index: int, result: CopyResult) -> Event:
        """Of a stream: how many elements were copied, and whether it is over."""
        assert self.buffer is not None
        self.state = CopyState.DONE if result is CopyResult.DROPPED else CopyState.IDLE
        return self.code, index, result | self.buffer.progress << 4

    def begin(self, component: ComponentState, index: int, buffer: GuestBuffer) -> None:
        self.state = CopyState.COPYING
        self.buffer = buffer

        def on_copy(reclaim: Reclaim) -> None:
            def event() -> Event:
                reclaim()
                return self.event(index, CopyResult.COMPLETED)

            self.set_pending_event(event)

        def on_copy_done(result: CopyResult) -> None:
            self.set_pending_event(lambda: self.event(index, result))

        copy = self.shared.read if self.verb == "read" else self.shared.write
        copy(component, buffer, on_copy, on_copy_done)

    def drop(self) -> None:
        if self.copying():
            raise trap(f"cannot remove busy {self.what}")
        self.shared.drop()
        super().drop()


class ReadableStreamEnd(CopyEnd):
    __slots__ = ()
    what, verb, name, code = "stream", "read", "read end", EventCode.STREAM_READ


class WritableStreamEnd(CopyEnd):
    __slots__ = ()
    what, verb, name, code = "stream", "write", "write end", EventCode.STREAM_WRITE


class FutureEnd(CopyEnd):
    __slots__ = ()

    def event(self, index: int, result: CopyResult) -> Event:
        self.state = CopyState.IDLE if result is CopyResult.CANCELLED else CopyState.DONE
        return self.code, index, result


class ReadableFutureEnd(FutureEnd):
    __slots__ = ()
    what, verb, name, code = "future", "read", "read end", EventCode.FUTURE_READ


class WritableFutureEnd(FutureEnd):
    __slots__ = ()
    what, verb, name, code = "future", "write", "write end", EventCode.FUTURE_WRITE

    def drop(self) -> None:
        if self.state is not CopyState.DONE:
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
    component: int
    context: int
    asynchronous: bool

    def find(self, instance: Instance, index: int) -> CopyEnd:
        return self._checked(instance.components[self.component].handles.entry(index, self.end, self.end.name))

    def take(self, instance: Instance, index: int) -> CopyEnd:
        return self._checked(instance.components[self.component].handles.take(index, self.end, self.end.name))

    def _checked(self, end: CopyEnd) -> CopyEnd:
        if not _same(end.shared.kind, self.element.kind):
            raise trap(f"a {end.what} of another type")
        return end


def _same(one: ValueType | None, other: ValueType | None) -> bool:
    return one is other or one == other  # comparing types goes through all their parts


def new(instance: Instance, component: int, kind: ValueType | None, *, stream: bool) -> int:
    """Both ends of a fresh stream or future."""
    shared = (SharedStream if stream else SharedFuture)(kind, instance.scheduler)
    handles = instance.components[component].handles
    readable = handles.add(READABLE[stream](shared))
    return readable | handles.add(WRITABLE[stream](shared)) << 32


def copy(ends: EndType, instance: Instance, index: int, pointer: int, length: int = 1) -> Any:
    """canon {stream,future}.{read,write}."""
    end = ends.find(instance, index)
    if end.state is not CopyState.IDLE:
        busy = "while another operation is in progress" if end.copying() else "after it was over"
        raise trap(f"cannot {end.verb} a {end.what} {busy}")
    _check_set(end, ends.asynchronous)
    cx = instance.contexts[ends.context] or instance.open(ends.context)
    end.begin(instance.components[ends.component], index, GuestBuffer(cx, ends.element, pointer, length))
    return _outcome(end, ends.asynchronous)


def cancel_copy(ends: EndType, instance: Instance, index: int) -> Any:
    """canon {stream,future}.cancel-{read,write}. Whoever is at the other end gives the buffer back at once, the host
    too, so it never blocks."""
    end = ends.find(instance, index)
    if end.state is not CopyState.COPYING or end.has_sync_waiter:
        raise trap(f"no {end.verb} of the {end.what} is in progress that could be cancelled")
    _check_set(end, ends.asynchronous)
    end.state = CopyState.CANCELLING_COPY
    if not end.has_pending_event() or end.shared.is_pending(end.buffer):
        # What was copied of it already is told with its end, as the specification's own tests want
        # (test/async/cancel-stream.wast); by CanonicalABI.md it would have ended as if nobody had cancelled it.
        end.shared.cancel()
    return end.get_pending_event()[2]


def _check_set(end: CopyEnd, asynchronous: bool) -> None:
    if end.in_waitable_set() and not asynchronous:
        raise trap("waitable cannot be used synchronously while added to a waitable set")


def _outcome(end: CopyEnd, asynchronous: bool) -> Any:
    if end.has_pending_event():
        return end.get_pending_event()[2]
    return BLOCKED if asynchronous else wait_for(end)


def drop(ends: EndType, instance: Instance, index: int) -> None:
    """canon {stream,future}.drop-{readable,writable}."""
    ends.take(instance, index).drop()


# Lifting and lowering (lift_async_value, lower_stream, lower_future).


def lift(component: ComponentState, index: int, element: ValueType | None, *, stream: bool) -> Readable:
    end = component.handles.take(index, READABLE[stream], "readable end")
    if not _same(end.shared.kind, element):
        raise trap(f"a {end.what} of another type")
    if end.state is not CopyState.IDLE:
        over = "after being notified that it is over" if end.state is CopyState.DONE else "while it is read"
        raise trap(f"cannot lift {end.what} {over}")
    if end.in_waitable_set():
        raise trap(f"cannot lift {end.what} while it's in a waitable set")
    shared: Readable = end.shared
    shared.leave()
    return shared


def lower(component: ComponentState, shared: Any, *, stream: bool) -> int:
    return component.handles.add(READABLE[stream](shared))
