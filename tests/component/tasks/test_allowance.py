"""How long guests may compute, on a clock that only goes when the test says so."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from proxy.component import HostInterface, decode, link, resting
from proxy.component.tasks import allowance as module
from proxy.component.tasks import scheduler
from proxy.component.tasks.allowance import Allowance, Stopwatch
from proxy.sandbox import Engine, Limits, Trap, TrapKind
from tests.component.guests import parse


def test_what_is_spent_is_gone() -> None:
    allowance = Allowance(1.0)
    allowance.spend(0.75)
    assert allowance.left(10.0) == 0.25
    allowance.spend(0.5)
    assert allowance.left(20.0) < 0


def test_waiting_gives_back_as_much_as_it_takes() -> None:
    allowance = Allowance(1.0)
    allowance.spend(0.75)
    allowance.rest(10.0)
    assert allowance.left(10.5) == 0.75
    allowance.rest(11.0)
    assert allowance.left(20.0) == 1.0


def test_something_new_gives_all_of_it_back() -> None:
    allowance = Allowance(1.0)
    allowance.spend(2.0)
    allowance.renew()
    assert allowance.left(0.0) == 1.0


def test_what_is_soon_over_is_as_long_as_on_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = iter([0.5])
    monkeypatch.setattr(module, "thread_time", lambda: next(asked))
    stopwatch = Stopwatch()
    for now in (10.0, 10.0004, 10.0008):
        stopwatch.start(now)
        assert stopwatch.took(now, now + 0.0002) == pytest.approx(0.0002)


def test_what_takes_longer_is_what_the_processor_did(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread was held up for most of it."""
    asked = iter([0.5, 0.53])
    monkeypatch.setattr(module, "thread_time", lambda: next(asked))
    stopwatch = Stopwatch()
    stopwatch.start(10.0)
    assert stopwatch.took(10.0, 10.2) == pytest.approx(0.03)


GUEST = """(component
  (import "wait" (func $wait async))
  (core func $wait (canon lower (func $wait)))
  (core module $m
    (import "" "wait" (func $wait))
    (func (export "run") (param $times i32)
      (loop $again
        (call $wait)
        (local.set $times (i32.sub (local.get $times) (i32.const 1)))
        (br_if $again (local.get $times)))))
  (core instance $i (instantiate $m (with "" (instance (export "wait" (func $wait))))))
  (func (export "run") async (param "times" u32) (canon lift (core func $i "run"))))"""

TIMES = 20


class HalfASecond(Stopwatch):
    """A tenth of what a guest may, whatever it does."""

    def took(self, since: float, now: float) -> float:
        return 0.5


def run(engine: Engine, monkeypatch: pytest.MonkeyPatch, wait: Callable[[object], Awaitable[None]]) -> None:
    """A guest that waits twenty times, and each time takes a tenth of what it may."""
    looks = itertools.count(1)
    monkeypatch.setattr(scheduler, "monotonic", lambda: next(looks) // 2 / 2)  # it goes while the guest runs
    monkeypatch.setattr(scheduler, "stopwatch", HalfASecond())
    linked = link(decode(parse(GUEST)), engine, {"": HostInterface({"wait": wait})}, Limits(time=5.0), suspends=True)

    async def running() -> None:
        await linked.exports[""]["run"](linked.instantiate(None), TIMES)

    asyncio.run(running())


async def answer(data: object) -> None:
    await asyncio.sleep(0)


def test_answers_from_outside_keep_a_guest_going(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    run(engine, monkeypatch, answer)


def test_timers_do_not(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    @resting
    async def rest(data: object) -> None:
        await asyncio.sleep(0)

    with pytest.raises(Trap, match="time limit exceeded") as stopped:
        run(engine, monkeypatch, rest)
    assert stopped.value.kind is TrapKind.TIMEOUT
