"""Sequences of reads, writes, cancels and drops on streams and futures, compared with a model of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.component.tasks.buffer import Buffer, HostSink, HostSource
from proxy.component.tasks.stream import CopyResult, Shared, SharedFuture, SharedStream
from proxy.component.types import U8

Told = tuple[str, CopyResult, int]
"""Who was told what, and of how many elements."""

SIDES = ("read", "write")


@dataclass
class Real:
    """Both ends of a stream, each told of a copy that goes on only when it asks (`deliver`)."""

    stream: SharedStream = field(default_factory=lambda: SharedStream(U8, None))
    buffers: dict[str, Buffer] = field(default_factory=dict)
    reclaims: dict[str, Shared] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    sent: int = 0
    received: bytearray = field(default_factory=bytearray)

    def copy(self, side: str, count: int) -> None:
        data = bytes((self.sent + index) % 256 for index in range(count))
        buffer = HostSink(count) if side == "read" else HostSource(data, count)
        self.buffers[side] = buffer
        act = self.stream.read if side == "read" else self.stream.write
        act(side, buffer, Side(self, side))

    def done(self, side: str, result: CopyResult) -> None:
        buffer = self.buffers.pop(side)
        moved = buffer.length - buffer.remain
        if isinstance(buffer, HostSink):
            self.received += buffer.elements or b""
        else:
            self.sent += moved
        self.told.append((side, result, moved))
        self.reclaims.pop(side, None)

    def deliver(self, side: str) -> None:
        if side in self.reclaims:
            self.reclaims[side].reclaim()
            self.done(side, CopyResult.COMPLETED)


@dataclass
class Side:
    """One of the two, as what copies there."""

    real: Real
    side: str

    def on_copy(self, shared: Shared) -> None:
        self.real.reclaims[self.side] = shared

    def on_copy_done(self, result: CopyResult) -> None:
        self.real.done(self.side, result)


@dataclass
class Model:
    """What a stream is. `pending`: who waits, for how many, and how many of them have come."""

    pending: tuple[str, int, int] | None = None
    dropped: bool = False
    told: list[Told] = field(default_factory=list)

    def copy(self, side: str, count: int) -> None:
        if self.dropped:
            self.told.append((side, CopyResult.DROPPED, 0))
        elif self.pending is None:
            self.pending = side, count, 0
        else:
            other, length, moved = self.pending
            if moved < length:
                now = min(count, length - moved)
                self.pending = other, length, moved + now
                self.told.append((side, CopyResult.COMPLETED, now))
            elif side == "write" and count == length == 0:
                self.told.append((side, CopyResult.COMPLETED, 0))
            else:
                self._end(CopyResult.COMPLETED)
                self.pending = side, count, 0

    def _end(self, result: CopyResult) -> None:
        assert self.pending is not None
        side, _, moved = self.pending
        self.pending = None
        self.told.append((side, result, moved))

    def deliver(self, side: str) -> None:
        if self.pending is not None and self.pending[0] == side and self.pending[2]:
            self._end(CopyResult.COMPLETED)

    def cancel(self) -> None:
        self._end(CopyResult.CANCELLED)

    def drop(self) -> None:
        if not self.dropped and self.pending is not None:
            self._end(CopyResult.DROPPED)
        self.dropped = True


STEPS = st.lists(
    st.tuples(st.sampled_from(["copy", "deliver", "cancel", "drop"]), st.sampled_from(SIDES), st.integers(0, 5)),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=300, deadline=None)
def test_a_stream_does_what_its_model_does(steps: list[tuple[str, str, int]]) -> None:
    real, model = Real(), Model()
    for what, side, count in steps:
        busy = side in real.buffers
        if what == "copy" and not busy:
            real.copy(side, count)
            model.copy(side, count)
        elif what == "deliver":
            real.deliver(side)
            model.deliver(side)
        elif what == "cancel" and busy:
            real.stream.cancel()
            model.cancel()
        elif what == "drop" and not busy:
            real.stream.drop()
            model.drop()
        assert real.told == model.told
        assert list(real.buffers) == ([] if model.pending is None else [model.pending[0]])
        assert real.received == bytes(index % 256 for index in range(len(real.received)))


@dataclass
class Teller:
    side: str
    results: list[Told]

    def on_copy(self, shared: Shared) -> None:
        raise AssertionError("a future is copied at once")

    def on_copy_done(self, result: CopyResult) -> None:
        self.results.append((self.side, result, 0))


@given(st.permutations(SIDES), st.booleans())
def test_a_future_moves_one_value(order: list[str], cancels: bool) -> None:
    future = SharedFuture(U8, None)
    sink, source, results = HostSink(1), HostSource(b"x", 1), list[Told]()
    parties = {side: Teller(side, results) for side in SIDES}

    def copy(side: str) -> None:
        act, buffer = (future.read, sink) if side == "read" else (future.write, source)
        act(side, buffer, parties[side])

    copy(order[0])
    if cancels:
        future.cancel()
        assert results.pop() == (order[0], CopyResult.CANCELLED, 0)
        copy(order[0])
    copy(order[1])
    assert results == [(side, CopyResult.COMPLETED, 0) for side in order]
    assert sink.elements == b"x"


def test_writing_to_a_future_that_nobody_reads_any_more() -> None:
    future, results = SharedFuture(U8, None), list[Told]()
    future.drop()
    future.write("write", HostSource(b"x", 1), Teller("write", results))
    assert results == [("write", CopyResult.DROPPED, 0)]
