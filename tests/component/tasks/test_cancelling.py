"""subtask.cancel of calls of the host's: they have resolved at once, so a guest that cancels does not wait."""

from __future__ import annotations

import asyncio

from proxy.component import HostInterface, Instance, decode, link
from proxy.sandbox import Engine, Limits
from tests.component.guests import parse

GUEST = """(component
  (import "wait" (func $wait async (result u32)))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (core func $wait (canon lower (func $wait) async (memory (core memory $memory "memory"))))
  (core func $cancel (canon subtask.cancel))
  (core func $drop (canon subtask.drop))
  (core module $m
    (import "" "wait" (func $wait (param i32) (result i32)))
    (import "" "cancel" (func $cancel (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "run") (result i32) (local $task i32) (local $state i32)
      (local.set $task (i32.shr_u (call $wait (i32.const 0)) (i32.const 4)))
      (local.set $state (call $cancel (local.get $task)))
      (call $drop (local.get $task))
      (local.get $state)))
  (core instance $i (instantiate $m (with "" (instance
    (export "wait" (func $wait)) (export "cancel" (func $cancel)) (export "drop" (func $drop))))))
  (func (export "run") (result u32) (canon lift (core func $i "run"))))"""

CANCELLED_BEFORE_RETURNED = 4


def test_a_call_of_the_host_ends_at_once_even_where_nothing_may_wait(engine: Engine) -> None:
    """Though the built-in is the one that waits; and no stack of its own is made ready for the guest."""

    async def wait(data: object) -> int:
        await asyncio.Event().wait()
        return 1

    async def running() -> int:
        linked = link(decode(parse(GUEST)), engine, {"": HostInterface({"wait": wait})}, Limits(), suspends=True)
        instance: Instance = linked.instantiate(None)
        state: int = await linked.exports[""]["run"](instance)
        assert not instance.store.waits
        return state

    assert asyncio.run(running()) == CANCELLED_BEFORE_RETURNED
