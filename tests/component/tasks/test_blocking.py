"""What may block and what may not: every built-in that waits, in a function that must have its result first and in one
that need not."""

from __future__ import annotations

import asyncio

import pytest

from proxy.component import Linked, decode, link
from proxy.sandbox import Engine, Limits, Trap
from tests.component.guests import parse

GUEST = """(component
  (core module $m
    (import "" "set" (func $set (result i32)))
    (import "" "wait" (func $wait (param i32 i32) (result i32)))
    (import "" "poll" (func $poll (param i32 i32) (result i32)))
    (import "" "join" (func $join (param i32 i32)))
    (import "" "yield" (func $yield (result i32)))
    (import "" "stream" (func $stream (result i64)))
    (import "" "stream.read" (func $stream.read (param i32 i32 i32) (result i32)))
    (import "" "stream.write" (func $stream.write (param i32 i32 i32) (result i32)))
    (import "" "future" (func $future (result i64)))
    (import "" "future.read" (func $future.read (param i32 i32) (result i32)))
    (import "" "future.write" (func $future.write (param i32 i32) (result i32)))
    (func $low (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
    (func $high (param i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))
    (func (export "run") (result i32) (local $end i32)
      BODY
      (i32.const 7)))
  (core module $memory (memory (export "memory") 1))
  (core instance $memory (instantiate $memory))
  (type $s (stream u8))
  (type $f (future u8))
  (core func $set (canon waitable-set.new))
  (core func $wait (canon waitable-set.wait (memory (core memory $memory "memory"))))
  (core func $poll (canon waitable-set.poll (memory (core memory $memory "memory"))))
  (core func $join (canon waitable.join))
  (core func $yield (canon thread.yield))
  (core func $stream (canon stream.new $s))
  (core func $stream.read (canon stream.read $s (memory (core memory $memory "memory"))))
  (core func $stream.write (canon stream.write $s (memory (core memory $memory "memory"))))
  (core func $future (canon future.new $f))
  (core func $future.read (canon future.read $f (memory (core memory $memory "memory"))))
  (core func $future.write (canon future.write $f (memory (core memory $memory "memory"))))
  (core instance $i (instantiate $m (with "" (instance
    (export "set" (func $set)) (export "wait" (func $wait)) (export "poll" (func $poll)) (export "join" (func $join))
    (export "yield" (func $yield)) (export "stream" (func $stream)) (export "stream.read" (func $stream.read))
    (export "stream.write" (func $stream.write)) (export "future" (func $future))
    (export "future.read" (func $future.read)) (export "future.write" (func $future.write))))))
  (func (export "may") async (result u32) (canon lift (core func $i "run")))
  (func (export "must-not") (result u32) (canon lift (core func $i "run"))))"""

WAITS = [
    "(drop (call $wait (call $set) (i32.const 0)))",
    "(drop (call $stream.read (call $low (call $stream)) (i32.const 0) (i32.const 1)))",
    "(drop (call $stream.write (call $high (call $stream)) (i32.const 0) (i32.const 1)))",
    "(drop (call $future.read (call $low (call $future)) (i32.const 0)))",
    "(drop (call $future.write (call $high (call $future)) (i32.const 0)))",
]
DOES_NOT_WAIT = ["(drop (call $yield))", "(drop (call $poll (call $set) (i32.const 0)))"]
SYNC_IN_SET = [
    "(local.set $end (call $low (call $stream))) (call $join (local.get $end) (call $set))"
    "(drop (call $stream.read (local.get $end) (i32.const 0) (i32.const 1)))",
    "(local.set $end (call $high (call $future))) (call $join (local.get $end) (call $set))"
    "(drop (call $future.write (local.get $end) (i32.const 0)))",
]


def guest(engine: Engine, body: str) -> Linked:
    return link(decode(parse(GUEST.replace("BODY", body))), engine, {}, Limits())


def test_a_guest_that_always_lets_others_go_first_has_its_time_too(engine: Engine) -> None:
    linked = link(decode(parse(GUEST.replace("BODY", "(loop (drop (call $yield)) (br 0))"))), engine, {}, Limits())
    with pytest.raises(Trap, match="time limit exceeded"):
        asyncio.run(may(linked))


async def may(linked: Linked) -> object:
    return await linked.exports[""]["may"](linked.instantiate(None))


@pytest.mark.parametrize("body", WAITS)
def test_a_sync_function_must_not_block(engine: Engine, body: str) -> None:
    linked = guest(engine, body)
    with pytest.raises(Trap, match="cannot block a synchronous task before returning"):
        linked.exports[""]["must-not"](linked.instantiate(None))


@pytest.mark.parametrize("body", WAITS)
def test_what_nothing_can_end_is_a_deadlock(engine: Engine, body: str) -> None:
    with pytest.raises(Trap, match="deadlock"):
        asyncio.run(may(guest(engine, body)))


@pytest.mark.parametrize("body", DOES_NOT_WAIT)
def test_what_does_not_wait_is_fine_in_both(engine: Engine, body: str) -> None:
    linked = guest(engine, body)
    assert linked.exports[""]["must-not"](linked.instantiate(None)) == 7
    assert asyncio.run(may(linked)) == 7


@pytest.mark.parametrize("body", SYNC_IN_SET)
def test_no_waiting_for_what_is_in_a_set(engine: Engine, body: str) -> None:
    with pytest.raises(Trap, match="while added to a waitable set"):
        asyncio.run(may(guest(engine, body)))
