"""Guests that wait: suspended in a call of the host, while others run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from proxy.component import HostInterface, Instance, Linked, LinkError, decode, link
from proxy.sandbox import Engine, Limits, Trap, TrapKind
from tests.component.guests import ALLOCATOR, component, parse

WIT = """package test:waits;
interface host {
  fetch: func(name: string) -> list<u8>;
  pause: func();
  number: func(key: u64) -> s64;
  other: func();
}
world guest {
  import host;
  export greet: func(name: string) -> string;
  export spin: func(rounds: u32);
  export ask: func() -> s64;
  export forever: func();
}"""

GUEST = f"""(module
  (import "test:waits/host" "fetch" (func $fetch (param i32 i32 i32)))
  (import "test:waits/host" "pause" (func $pause))
  (import "test:waits/host" "number" (func $number (param i64) (result i64)))
  (import "test:waits/host" "other" (func $other))
  {ALLOCATOR}
  (func (export "greet") (param i32 i32) (result i32)
    (call $fetch (local.get 0) (local.get 1) (i32.const 1000))
    (call $pause)
    (call $other)
    (i32.const 1000))
  (func (export "spin") (param $rounds i32)
    (local $n i32)
    (loop $again
      (local.set $n (i32.const 100000))
      (loop $count (br_if $count (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (call $pause)
      (br_if $again (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1))))))
  (func (export "ask") (result i64) (call $number (i64.const 7)))
  (func (export "forever") (loop $forever (call $pause) (br $forever))))"""

Export = Callable[..., Awaitable[Any]]


class Host:
    """Its functions let others go first."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.cell: Any = None

    def fetch(self, data: str, name: str) -> Coroutine[Any, Any, bytes] | bytes:
        return b"at once" if name == "known" else self._fetch(data, name)

    async def _fetch(self, data: str, name: str) -> bytes:
        self.log.append(f"{data} waits for {name}")
        await asyncio.sleep(0)
        if name == "nothing":
            raise KeyError(name)
        self.log.append(f"{data} has {name}")
        return name.upper().encode()

    async def pause(self, data: str) -> None:
        await asyncio.sleep(0)

    async def number(self, data: str, key: int) -> int:
        await asyncio.sleep(0)
        return -key

    def other(self, data: str) -> None:
        self.log.append(f"{data} goes on")

    def interface(self) -> HostInterface:
        functions: dict[str, Callable[..., object]] = {
            "fetch": self.fetch, "pause": self.pause, "number": self.number, "other": self.other,
        }  # fmt: skip
        return HostInterface(functions, suspending=("fetch", "pause", "number"))


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    wit: Path = tmp_path_factory.mktemp("wit") / "waits.wit"
    wit.write_text(WIT)
    return component(GUEST, str(wit), "guest")


def waits(engine: Engine, guest: bytes, host: Host, limits: Limits = Limits()) -> Linked:  # noqa: B008 - frozen
    return link(decode(guest), engine, {"test:waits/host": host.interface()}, limits, suspends=True)


def export(linked: Linked, name: str) -> Export:
    function: Any = linked.exports[""][name]
    return function  # type: ignore[no-any-return]


def test_two_wait_at_once(engine: Engine, guest: bytes) -> None:
    host = Host()
    linked = waits(engine, guest, host)

    async def both() -> list[str]:
        one, two = linked.instantiate("one"), linked.instantiate("two")
        greet = export(linked, "greet")
        return list(await asyncio.gather(greet(one, "left"), greet(two, "right")))

    assert asyncio.run(both()) == ["LEFT", "RIGHT"]
    assert host.log == [
        "one waits for left", "two waits for right", "one has left", "two has right", "one goes on", "two goes on",
    ]  # fmt: skip
    assert linked.cell.current is None


def test_an_answer_that_is_there_is_not_waited_for(engine: Engine, guest: bytes) -> None:
    linked = waits(engine, guest, Host())
    assert asyncio.run(_call(linked, "greet", "known")) == "at once"


def test_a_number_comes_back(engine: Engine, guest: bytes) -> None:
    """A result that needs no memory."""
    assert asyncio.run(_call(waits(engine, guest, Host()), "ask")) == -7


def test_what_the_host_raises_while_it_waits_ends_the_call(engine: Engine, guest: bytes) -> None:
    linked = waits(engine, guest, Host())

    async def failing() -> Instance:
        instance = linked.instantiate("one")
        with pytest.raises(Trap, match="KeyError: 'nothing'") as caught:
            await export(linked, "greet")(instance, "nothing")
        assert caught.value.kind is TrapKind.HOST
        return instance

    instance = asyncio.run(failing())
    with pytest.raises(RuntimeError, match="stopped by a trap"):
        asyncio.run(_on(linked, instance, "ask"))
    assert linked.cell.current is None


def test_only_running_counts(engine: Engine, guest: bytes) -> None:
    """Five rounds of less than a millisecond each, and a pause of half of the limit after each."""
    host = Host()

    async def pause(data: str) -> None:
        await asyncio.sleep(0.15)

    host.pause = pause  # type: ignore[method-assign]
    asyncio.run(_call(waits(engine, guest, host, Limits(time=0.3)), "spin", 5))


def test_running_adds_up(engine: Engine, guest: bytes) -> None:
    """No single stretch is too long; all of them are."""
    linked = waits(engine, guest, Host(), Limits(time=0.01))
    with pytest.raises(Trap, match="time limit") as caught:
        asyncio.run(_call(linked, "spin", 1_000_000))
    assert caught.value.kind is TrapKind.TIMEOUT


def test_who_is_not_waited_for_any_more_is_ended(engine: Engine, guest: bytes) -> None:
    linked = waits(engine, guest, Host())

    async def cancelled() -> None:
        instance = linked.instantiate("one")
        task = asyncio.ensure_future(export(linked, "forever")(instance))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        instance.close()
        assert await _call(linked, "greet", "next") == "NEXT"

    asyncio.run(cancelled())
    assert linked.cell.current is None


def test_a_hundred_wait(engine: Engine, guest: bytes) -> None:
    linked = waits(engine, guest, Host())

    async def all_at_once() -> list[str]:
        return list(await asyncio.gather(*(_call(linked, "greet", f"n{number}") for number in range(100))))

    assert asyncio.run(all_at_once()) == [f"N{number}" for number in range(100)]


NESTED = """(component
  (import "test:waits/host" (instance $host (export "pause" (func))))
  (component $inner
    (import "pause" (func $pause))
    (core func $lowered (canon lower (func $pause)))
    (core module $m (import "" "pause" (func $pause)) (func (export "run") (call $pause)))
    (core instance $i (instantiate $m (with "" (instance (export "pause" (func $lowered))))))
    (func (export "run") (canon lift (core func $i "run"))))
  (component $caller
    (import "run" (func $run))
    (core func $lowered (canon lower (func $run)))
    (core module $m (import "" "run" (func $run)) (func (export "outer") (call $run)))
    (core instance $i (instantiate $m (with "" (instance (export "run" (func $lowered))))))
    (func (export "outer") (canon lift (core func $i "outer"))))
  (alias export $host "pause" (func $pause))
  (instance $inside (instantiate $inner (with "pause" (func $pause))))
  (alias export $inside "run" (func $run))
  (instance $beside (instantiate $caller (with "run" (func $run))))
  (export "outer" (func $beside "outer")))"""


def test_a_call_between_components_cannot_wait(engine: Engine) -> None:
    """It goes through the host, which would have to be suspended itself."""
    linked = waits(engine, parse(NESTED), Host())
    with pytest.raises(Trap, match="cannot wait"):
        asyncio.run(_call(linked, "outer"))


ALLOCATES = GUEST.replace("(local $at i32)", "(local $at i32) (call $pause)", 1)


def test_an_allocator_that_waits_traps(engine: Engine, tmp_path: Path) -> None:
    assert ALLOCATES != GUEST
    (tmp_path / "waits.wit").write_text(WIT)
    linked = waits(engine, component(ALLOCATES, str(tmp_path / "waits.wit"), "guest"), Host())
    with pytest.raises(Trap, match=r"cannot wait|cannot leave"):
        asyncio.run(_call(linked, "greet", "anyone"))


STARTS = """(component
  (import "test:waits/host" (instance $host (export "pause" (func))))
  (core func $pause (canon lower (func $host "pause")))
  (core module $m (import "" "pause" (func $pause)) (start $pause) (func (export "run")))
  (core instance $i (instantiate $m (with "" (instance (export "pause" (func $pause))))))
  (func (export "run") (canon lift (core func $i "run"))))"""


def test_a_start_function_cannot_wait(engine: Engine) -> None:
    with pytest.raises(Trap, match="cannot wait"):
        waits(engine, parse(STARTS), Host()).instantiate("one")


def test_borrowed_handles_are_refused(engine: Engine) -> None:
    text = """(component
      (type $r (resource (rep i32)))
      (core module $m (func (export "run") (param i32)))
      (core instance $i (instantiate $m))
      (export $e "r" (type $r))
      (func (export "run") (param "it" (borrow $e)) (canon lift (core func $i "run"))))"""
    with pytest.raises(LinkError, match="borrowed"):
        waits(engine, parse(text), Host())


async def _call(linked: Linked, name: str, *arguments: object) -> Any:
    return await _on(linked, linked.instantiate("one"), name, *arguments)


async def _on(linked: Linked, instance: Instance, name: str, *arguments: object) -> Any:
    return await export(linked, name)(instance, *arguments)
