"""Streams and futures: where the two ends meet, and the copy between them (CanonicalABI.md, stream state and future
state)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Protocol

from proxy.component.handles import trap
from proxy.component.tasks.buffer import NUMBERS, Buffer
from proxy.component.types import ValueType


class CopyResult(IntEnum):
    COMPLETED = 0
    DROPPED = 1
    CANCELLED = 2


COMPLETED, DROPPED, CANCELLED = CopyResult


class Party(Protocol):
    """Whoever copies at one end: an end in a guest's handle table, or the host."""

    def on_copy(self, shared: Shared) -> None:
        """Something was copied; the buffer is the other's until this one reclaims it (`Shared.reclaim`), and more may
        be copied until then."""

    def on_copy_done(self, result: CopyResult) -> None: ...


class Readable(Protocol):
    """What stands behind the readable end of a stream or a future, and is passed from one component to another."""

    kind: ValueType | None

    def read(self, reader: object, buffer: Buffer, party: Party) -> None: ...

    def is_pending(self, buffer: Buffer) -> bool:
        """Whether the copy of this buffer is pending, though some may have been copied."""

    def cancel(self) -> None:
        """Gives the pending copy its end."""

    def leave(self) -> None:
        """A guest gives it away."""

    def drop(self) -> object: ...


class Shared:
    """Of a guest's stream or future; `reader` and `writer` are the component instances at the ends, or something of the
    host's. One of the two may have a copy pending."""

    __slots__ = ("_buffer", "_by", "_dropped", "_party", "kind", "scheduler")

    def __init__(self, kind: ValueType | None, scheduler: Any) -> None:
        """`scheduler`: of the instance whose guest made it."""
        self.kind = kind
        self.scheduler = scheduler
        self._dropped = False
        self._by: object = None
        self._buffer: Buffer | None = None
        self._party: Party | None = None

    def reclaim(self) -> None:
        """Takes the buffer of the pending copy back."""
        self._by = self._buffer = self._party = None

    def _pend(self, by: object, buffer: Buffer, party: Party) -> None:
        self._by, self._buffer, self._party = by, buffer, party

    def _end_pending(self, result: CopyResult) -> None:
        party = self._party
        assert party is not None
        self._by = self._buffer = self._party = None
        party.on_copy_done(result)

    def _check(self, by: object) -> None:
        if by is self._by and self.kind is not None and self.kind not in NUMBERS:
            raise trap(f"cannot read from and write to intra-component {self.what} of this type")

    what = ""

    def is_pending(self, buffer: Buffer) -> bool:
        return self._buffer is buffer

    def leave(self) -> None:
        """It stays what it is."""

    def cancel(self) -> None:
        self._end_pending(CANCELLED)

    def drop(self) -> bool:
        """Whether that ended a copy of whoever is at the other end."""
        pending = not self._dropped and self._buffer is not None
        self._dropped = True
        if pending:
            self._end_pending(DROPPED)
        return pending


class SharedStream(Shared):
    __slots__ = ()
    what = "stream"

    def read(self, reader: object, buffer: Buffer, party: Party) -> None:
        self._copy(reader, buffer, party, reads=True)

    def write(self, writer: object, buffer: Buffer, party: Party) -> None:
        self._copy(writer, buffer, party, reads=False)

    def _copy(self, by: object, buffer: Buffer, party: Party, *, reads: bool) -> None:
        pending = self._buffer
        if self._dropped:
            party.on_copy_done(DROPPED)
        elif pending is None:
            self._by, self._buffer, self._party = by, buffer, party
        else:
            self._check(by)
            if pending.remain:
                if buffer.remain:
                    source, target = (pending, buffer) if reads else (buffer, pending)
                    count = min(source.remain, target.remain)
                    target.write(source.read(count), count)
                    assert self._party is not None
                    self._party.on_copy(self)
                party.on_copy_done(COMPLETED)
            elif not reads and not buffer.length and not pending.length:
                party.on_copy_done(COMPLETED)
            else:
                self._end_pending(COMPLETED)
                self._pend(by, buffer, party)


class SharedFuture(Shared):
    __slots__ = ()
    what = "future"

    def read(self, reader: object, buffer: Buffer, party: Party) -> None:
        if self._buffer is None:
            self._pend(reader, buffer, party)
        else:
            self._check(reader)
            buffer.write(self._buffer.read(1), 1)
            self._end_pending(COMPLETED)
            party.on_copy_done(COMPLETED)

    def write(self, writer: object, buffer: Buffer, party: Party) -> None:
        if self._dropped:
            party.on_copy_done(DROPPED)
        elif self._buffer is None:
            self._pend(writer, buffer, party)
        else:
            self._check(writer)
            self._buffer.write(buffer.read(1), 1)
            self._end_pending(COMPLETED)
            party.on_copy_done(COMPLETED)
