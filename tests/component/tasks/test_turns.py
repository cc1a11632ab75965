"""Calls of the host's that are done at once: they take no turn of the event loop, but those of a guest that goes on
and on leave some to others."""

from __future__ import annotations

import asyncio

from proxy.component import HostInterface, decode, link
from proxy.exchange.eager import start
from proxy.sandbox import Engine, Limits
from tests.component.guests import parse

GUEST = """(component
  (import "tick" (func $tick async (result u32)))
  (core func $tick (canon lower (func $tick)))
  (core module $m
    (import "" "tick" (func $tick (result i32)))
    (func (export "run") (param $times i32) (result i32) (local $n i32)
      (loop
        (local.set $n (i32.add (local.get $n) (call $tick)))
        (br_if 0 (i32.lt_u (local.get $n) (local.get $times))))
      (local.get $n)))
  (core instance $i (instantiate $m (with "" (instance (export "tick" (func $tick))))))
  (func (export "run") async (param "times" u32) (result u32) (canon lift (core func $i "run"))))"""


async def tick(data: object) -> int:
    return 1


def test_what_is_done_at_once_takes_no_turn(engine: Engine) -> None:
    async def running() -> object:
        linked = link(decode(parse(GUEST)), engine, {"": HostInterface({"tick": tick})}, Limits(), suspends=True)
        return start(linked.exports[""]["run"](linked.instantiate(None), 3))

    assert asyncio.run(running()) == 3


def test_much_of_it_lets_others_go_on_and_nests_nothing(engine: Engine) -> None:
    async def running() -> tuple[int, int]:
        linked = link(decode(parse(GUEST)), engine, {"": HostInterface({"tick": tick})}, Limits(time=5), suspends=True)
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(other())
        calls: int = await linked.exports[""]["run"](linked.instantiate(None), 3000)
        counting.cancel()
        return calls, turns

    calls, turns = asyncio.run(running())
    assert calls == 3000
    assert turns >= 3000 // 40
