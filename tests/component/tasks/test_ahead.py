"""What the host reads ahead: a guest that writes finds it there, and does not wait."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from proxy.component import StreamReader, decode, link
from proxy.sandbox import Engine, Limits, Trap, TrapKind
from tests.component.guests import parse

GUEST = """(component
  (core module $memory (memory (export "memory") 1) (data (i32.const 0) "abcdef"))
  (core instance $memory (instantiate $memory))
  (type $bytes (stream u8))
  (core func $new (canon stream.new $bytes))
  (core func $write (canon stream.write $bytes async (memory (core memory $memory "memory"))))
  (core func $drop (canon stream.drop-writable $bytes))
  (core func $return (canon task.return (result $bytes)))
  (core module $m
    (import "" "new" (func $new (result i64)))
    (import "" "write" (func $write (param i32 i32 i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (import "" "return" (func $return (param i32)))
    (func $wrote (param $end i32) (param $at i32) (param $length i32) (param $copied i32)
      (if (i32.ne (call $write (local.get $end) (local.get $at) (local.get $length))
                  (i32.shl (local.get $copied) (i32.const 4)))
        (then unreachable)))
    (func (export "run") (param $last i32) (param $copied i32) (local $both i64) (local $end i32)
      (local.set $both (call $new))
      (local.set $end (i32.wrap_i64 (i64.shr_u (local.get $both) (i64.const 32))))
      (call $return (i32.wrap_i64 (local.get $both)))
      (call $wrote (local.get $end) (i32.const 0) (i32.const 1) (i32.const 1))
      (call $wrote (local.get $end) (i32.const 1) (i32.const 2) (i32.const 2))
      (call $wrote (local.get $end) (i32.const 3) (local.get $last) (local.get $copied))
      (call $drop (local.get $end))))
  (core instance $i (instantiate $m (with "" (instance
    (export "new" (func $new)) (export "write" (func $write)) (export "drop" (func $drop))
    (export "return" (func $return))))))
  (func (export "run") async (param "last" u32) (param "copied" u32) (result $bytes)
    (canon lift (core func $i "run") async)))"""


def begun(stream: Any, limit: int = 100) -> StreamReader:
    reader = StreamReader(stream)
    reader.begin(limit)
    return reader


def read_ahead(engine: Engine, limit: int, last: int, copied: int) -> list[bytes]:
    """What is read of a guest that writes 1, 2 and `last` bytes, of the last ones `copied` at once."""

    async def running() -> list[bytes]:
        linked = link(decode(parse(GUEST)), engine, {}, Limits(), suspends=True)
        run: Any = linked.exports[""]["run"]
        call = run.start(linked.instantiate(None), last, copied, on_result=partial(begun, limit=limit))
        assert call.over
        reader = await call.result()
        return [await reader.read(limit), await reader.read(limit)]

    return asyncio.run(running())


def test_what_is_written_bit_by_bit_is_there_together(engine: Engine) -> None:
    assert read_ahead(engine, 100, 3, 3) == [b"abcdef", b""]


def test_what_was_written_before_a_trap_is_there(engine: Engine) -> None:
    async def running() -> None:
        text = GUEST.replace("(call $drop (local.get $end))))", "unreachable))")
        linked = link(decode(parse(text)), engine, {}, Limits(), suspends=True)
        run: Any = linked.exports[""]["run"]
        call = run.start(linked.instantiate(None), 3, 3, on_result=begun)
        assert call.answered
        assert call.failure.kind is TrapKind.UNREACHABLE
        reader = await call.result()
        assert await reader.read(100) == b"abcdef"
        with pytest.raises(Trap, match="unreachable"):
            await reader.read(100)

    asyncio.run(running())


def test_no_more_than_was_asked_for(engine: Engine) -> None:
    assert read_ahead(engine, 5, 3, 2) == [b"abcde", b""]
