"""A guest that can look at the clock: only when it does not, its decisions are remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.component import LinkError
from proxy.sandbox import Engine
from tests.filters.placed import Placed
from tests.foreign.wasi import Wasi

CLOCK = (Path(__file__).parent / "built/clock.wasm").read_bytes()


def shown(clock: Placed) -> bytes | None:
    passed = clock.once().passed
    assert passed is not None
    return passed.fields.get(b"x-now")


def test_who_looks_at_the_clock_is_run_every_time(engine: Engine) -> None:
    wasi = Wasi({})
    clock = Placed(engine, "clock", CLOCK, {}, more_imports=wasi.imports())
    for wasi.time in (1, 2, 3):
        assert shown(clock) == b"%d" % wasi.time
    assert clock.tally.memo_hits == 0


def test_who_could_and_does_not_is_remembered(engine: Engine) -> None:
    clock = Placed(engine, "clock", CLOCK, {"look": False}, more_imports=Wasi({}).imports())
    assert [shown(clock) for _ in range(3)] == [None, None, None]
    assert clock.tally.memo_hits == 2


def test_no_clock_without_a_grant(engine: Engine) -> None:
    with pytest.raises(LinkError, match=r"wasi:clocks/monotonic-clock@0\.2\.0"):
        Placed(engine, "clock", CLOCK, {})
