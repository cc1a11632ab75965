"""Functions of the asynchronous ABI whose tasks return before anything has to wait."""

from __future__ import annotations

import asyncio

import pytest

from proxy.component import HostInterface, Linked, decode, link
from proxy.sandbox import Engine, Limits, Trap
from tests.component.guests import parse

ADDER = """(component
  (component $adder
    (core module $m
      (import "" "return" (func $return (param i64)))
      (func (export "add") (param i64 i64 i64 i64 i64)
        {body}))
    (canon task.return (result u64) (core func $return))
    (core instance $i (instantiate $m (with "" (instance (export "return" (func $return))))))
    (func (export "add") async (param "a" u64) (param "b" u64) (param "c" u64) (param "d" u64) (param "e" u64)
      (result u64) (canon lift (core func $i "add") async)))
  (component $user
    (import "add" (func $add async (param "a" u64) (param "b" u64) (param "c" u64) (param "d" u64) (param "e" u64)
      (result u64)))
    (core module $libc (memory (export "memory") 1))
    (core instance $libc (instantiate $libc))
    (core func $add (canon lower (func $add) async (memory (core memory $libc "memory"))))
    (core module $m
      (import "libc" "memory" (memory 1))
      (import "" "add" (func $add (param i32 i32) (result i32)))
      (func (export "run") (result i64)
        (i64.store (i32.const 32) (i64.const 40))
        (i64.store (i32.const 64) (i64.const 2))
        (if (i32.ne (call $add (i32.const 32) (i32.const 128)) (i32.const 2)) (then unreachable))
        (i64.load (i32.const 128))))
    (core instance $i (instantiate $m (with "libc" (instance $libc)) (with "" (instance (export "add" (func $add))))))
    (func (export "run") (result u64) (canon lift (core func $i "run"))))
  (instance $adder (instantiate $adder))
  (instance $user (instantiate $user (with "add" (func $adder "add"))))
  (export "run" (func $user "run"))
  (export "add" (func $adder "add")))"""

SUM = "(call $return (i64.add (local.get 0) (local.get 4)))"


def run(engine: Engine, body: str, name: str, *arguments: int) -> object:
    linked = link(decode(parse(ADDER.format(body=body))), engine, {}, Limits())
    return _called(linked, name, *arguments)


def _called(linked: Linked, name: str, *arguments: int) -> object:
    function = linked.exports[""][name]
    instance = linked.instantiate(None)
    if not function.type.is_async:
        return function(instance, *arguments)

    async def call() -> object:
        return await function(instance, *arguments)

    return asyncio.run(call())


def test_a_result_goes_through_task_return_and_memory(engine: Engine) -> None:
    assert run(engine, SUM, "run") == 42
    assert run(engine, SUM, "add", 1, 0, 0, 0, 6) == 7


@pytest.mark.parametrize(
    ("body", "message"), [("", "ended without calling task.return"), (SUM + SUM, "task.return called twice")]
)
def test_a_task_returns_once(engine: Engine, body: str, message: str) -> None:
    with pytest.raises(Trap, match=message):
        run(engine, body, "run")


CALLBACK = """(component
  (core module $m
    (import "" "return" (func $return (param i32)))
    (global $n (mut i32) (i32.const 0))
    (func (export "f") (result i32) (i32.const 1))
    (func (export "next") (param i32 i32 i32) (result i32)
      (if (i32.or (local.get 0) (i32.or (local.get 1) (local.get 2))) (then unreachable))
      (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (if (i32.lt_u (global.get $n) (i32.const 3)) (then (return (i32.const 1))))
      (call $return (global.get $n))
      (i32.const {code})))
  (canon task.return (result u32) (core func $return))
  (core instance $i (instantiate $m (with "" (instance (export "return" (func $return))))))
  (func (export "f") async (result u32)
    (canon lift (core func $i "f") async (callback (core func $i "next")))))"""


def test_a_callback_is_called_until_it_is_done(engine: Engine) -> None:
    linked = link(decode(parse(CALLBACK.format(code=0))), engine, {}, Limits())
    assert _called(linked, "f") == 3


def test_a_host_function_may_stand_for_an_async_import(engine: Engine) -> None:
    text = """(component
      (import "double" (func $double async (param "x" u32) (result u32)))
      (core module $libc (memory (export "memory") 1))
      (core instance $libc (instantiate $libc))
      (core func $double (canon lower (func $double) async (memory (core memory $libc "memory"))))
      (core module $m
        (import "libc" "memory" (memory 1))
        (import "" "double" (func $double (param i32 i32) (result i32)))
        (func (export "run") (result i32)
          (if (i32.ne (call $double (i32.const 21) (i32.const 16)) (i32.const 2)) (then unreachable))
          (i32.load (i32.const 16))))
      (core instance $i (instantiate $m
        (with "libc" (instance $libc)) (with "" (instance (export "double" (func $double))))))
      (func (export "run") (result u32) (canon lift (core func $i "run"))))"""
    linked = link(decode(parse(text)), engine, {"": HostInterface({"double": lambda data, x: 2 * x})}, Limits())
    assert linked.exports[""]["run"](linked.instantiate(None)) == 42
