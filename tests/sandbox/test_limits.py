"""Time, memory, stack, and what a Trap says; a guest harms only its own call."""

from __future__ import annotations

import time

import pytest

from proxy.component import Linked, decode, link
from proxy.sandbox import Engine, Limits, Trap, TrapKind
from tests.compiled import no_patch
from tests.component.guests import parse
from tests.patience import PATIENCE
from tests.sandbox.guests import harmful


def trap(linked: Linked, name: str) -> Trap:
    instance = linked.instantiate(None)
    with pytest.raises(Trap) as caught:
        linked.exports[""][name](instance)
    instance.close()
    return caught.value


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("unreachable", TrapKind.UNREACHABLE, "unreachable executed"),
        ("loop", TrapKind.TIMEOUT, "time limit exceeded"),
        ("recurse", TrapKind.STACK, "stack overflow"),
        ("fill", TrapKind.MEMORY, "memory access out of bounds"),
    ],
)
def test_each_harm_has_its_kind(engine: Engine, name: str, kind: TrapKind, message: str) -> None:
    linked = harmful(engine, Limits(time=0.02 if kind is TrapKind.TIMEOUT else 30))
    found = trap(linked, name)
    assert (found.kind, found.message) == (kind, message)
    healthy = linked.instantiate(None)
    linked.exports[""]["nothing"](healthy)
    healthy.close()


def test_a_guest_that_is_alone_for_long_is_still_timed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stops when no guest is called for a while: not while the one that was called last still runs."""
    monkeypatch.setattr("proxy.sandbox.ticker.IDLE_TICKS", 2)
    assert trap(harmful(engine, Limits(time=0.5)), "loop").kind is TrapKind.TIMEOUT


def test_the_backtrace_names_functions(engine: Engine) -> None:
    found = trap(harmful(engine, Limits()), "unreachable")
    assert found.backtrace == "0: inner\n1: outer"


def test_a_guest_cannot_put_words_into_the_hosts_mouth(engine: Engine) -> None:
    """Names of functions are the guest's, and appear in wasmtime's account of a trap."""
    data = parse("""(component
      (core module $m (func $liar (@name "maximum concurrent") (export "f") unreachable))
      (core instance $i (instantiate $m))
      (alias core export $i "f" (core func $f))
      (func (export "f") (canon lift (core func $f))))""")
    linked = link(decode(data), engine, {}, Limits())
    with pytest.raises(Trap, match="unreachable executed"):
        linked.exports[""]["f"](linked.instantiate(None))


def test_a_deep_backtrace_is_cut(engine: Engine) -> None:
    assert len(trap(harmful(engine, Limits()), "recurse").backtrace.splitlines()) <= 30


@no_patch
@pytest.mark.parametrize("limit", [0.01, 0.05])
def test_an_endless_loop_ends_between_its_limit_and_twice_that(
    engine: Engine, limit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by the ticks of the clock, which come late on a machine with other work. The first may come at once."""
    linked = harmful(engine, Limits(time=limit))
    ticker, allowed = engine.ticker, linked.deadline.ticks
    assert limit <= (allowed - 1) * ticker._period < allowed * ticker._period < 2 * limit
    ticks, tick = 0, ticker.tick

    def counted() -> None:
        nonlocal ticks
        ticks += 1
        tick()

    monkeypatch.setattr(ticker, "tick", counted)
    found: list[int] = []
    while len(found) < 20 and min(found, default=1000) > allowed + 1:  # some are before the call, or after it
        before, started = ticks, time.perf_counter()
        trap(linked, "loop")
        assert time.perf_counter() - started >= limit
        found.append(ticks - before)
        assert found[-1] >= allowed
    assert min(found) <= allowed + 1


def test_a_later_shorter_limit_does_not_shorten_others(engine: Engine) -> None:
    slow = harmful(engine, Limits(time=0.1))
    harmful(engine, Limits(time=0.004))
    started = time.perf_counter()
    trap(slow, "loop")
    assert time.perf_counter() - started >= 0.1


def test_the_clock_wakes_after_it_has_slept() -> None:
    with Engine() as engine:  # one in which no longer limit than this keeps it awake
        linked = harmful(engine, Limits(time=0.004))
        assert trap(linked, "loop").kind is TrapKind.TIMEOUT
        deadline = time.monotonic() + PATIENCE
        while not engine.ticker.asleep and time.monotonic() < deadline:
            time.sleep(0.01)  # the real thread, falling asleep for want of calls
        assert engine.ticker.asleep
        assert trap(linked, "loop").kind is TrapKind.TIMEOUT


def test_each_call_has_all_of_its_time(engine: Engine) -> None:
    """The same instance, period after period, with many calls in each."""
    linked = harmful(engine, Limits(time=30))
    instance, nothing = linked.instantiate(None), linked.exports[""]["nothing"]
    ticker = engine.ticker
    for _ in range(3 * linked.deadline.ticks):
        for _ in range(3):
            nothing(instance)
        ticker.tick()
    instance.close()


def test_memory_grows_to_the_limit_and_no_further(engine: Engine) -> None:
    linked = harmful(engine, Limits(memory=10 << 16, time=1))
    instance = linked.instantiate(None)
    assert linked.exports[""]["grow"](instance) == 10
    instance.close()


def test_an_instance_begins_as_new_whatever_the_last_one_did(engine: Engine) -> None:
    linked = harmful(engine, Limits(memory=1 << 20, time=1))
    for _ in range(300):
        instance = linked.instantiate(None)
        assert linked.exports[""]["grow"](instance) == 16
        instance.close()
