"""Ways to break this host, for the oracle to find."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from proxy.component.handles import HandleTable
from proxy.component.tasks import subtask
from proxy.component.tasks.buffer import GuestBuffer
from proxy.component.tasks.ends import CopyEnd
from proxy.component.tasks.stream import CopyResult, SharedStream
from proxy.component.tasks.task import Task
from proxy.component.tasks.waitable import WaitableSet

_copied = GuestBuffer.read
_event = CopyEnd.event
_stream_copy = SharedStream._copy
_held_back = Task._held_back


def _reads_the_first(self: GuestBuffer, count: int) -> Any:
    elements = _copied(self, count)
    return bytes(elements[:1]) * count


def _forgets_that_it_is_over(self: CopyEnd) -> Any:
    event = _event(self)
    return event[0], event[1], event[2] & ~1


def _empty_writes_complete(self: Any, by: Any, buffer: Any, party: Any, *, reads: bool) -> None:
    if not reads and not buffer.length and self._buffer is None:
        party.on_copy_done(CopyResult.COMPLETED)
    else:
        _stream_copy(self, by, buffer, party, reads=reads)


MUTANTS: dict[str, tuple[object, str, object]] = {
    "a copy repeats its first byte": (GuestBuffer, "read", _reads_the_first),
    "a dropped end is told as a completed copy": (CopyEnd, "event", _forgets_that_it_is_over),
    "an empty write completes though nobody reads": (SharedStream, "_copy", _empty_writes_complete),
    "backpressure holds nothing back": (Task, "_held_back", lambda self: False),
    "a subtask can be dropped before its end": (subtask.Subtask, "drop", lambda self: None),
    "freed handles are not used again": (HandleTable, "take", HandleTable.entry),
    "a set can be dropped that has members": (WaitableSet, "drop", lambda self: None),
}


@contextmanager
def mutated(name: str) -> Iterator[None]:
    where, attribute, replacement = MUTANTS[name]
    with patch.object(where, attribute, replacement):
        yield
