"""Instances, traps and host failures are all freed."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from proxy.component import HostInterface, decode, link
from proxy.sandbox import Engine, Limits, Trap
from tests.component.guests import parse

GUEST = parse("""(component
  (import "f" (func $f (param "x" string) (result string)))
  (core module $libc (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $mem))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $f (canon lower (func $f) (memory $mem) (realloc $realloc)))
  (core module $m (import "" "f" (func $f (param i32 i32 i32)))
    (func (export "go") (param i32 i32) (result i32)
      (call $f (local.get 0) (local.get 1) (i32.const 16)) (i32.const 16))
    (func (export "trap") unreachable))
  (core instance $i (instantiate $m (with "" (instance (export "f" (func $f))))))
  (alias core export $i "go" (core func $go))
  (alias core export $i "trap" (core func $trap))
  (func (export "go") (param "x" string) (result string)
    (canon lift (core func $go) (memory $mem) (realloc $realloc)))
  (func (export "trap") (canon lift (core func $trap))))""")


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.parametrize("deed", ["go", "trap", "fail"])
def test_memory_stays_flat(engine: Engine, deed: str) -> None:
    def host(data: object, text: str) -> str:
        if deed == "fail":
            raise ValueError("no")
        return text

    linked = link(decode(GUEST), engine, {"": HostInterface({"f": host})}, Limits())

    def rounds(count: int) -> None:
        for _ in range(count):
            instance = linked.instantiate(None)
            try:
                if deed == "trap":
                    linked.exports[""]["trap"](instance)
                else:
                    linked.exports[""]["go"](instance, "text")
            except Trap:
                pass
            instance.close()

    rounds(2_000)
    before = resident()
    rounds(50_000 if deed == "go" else 10_000)
    assert resident() - before < 2 << 20


def test_an_instance_that_is_forgotten_is_freed(engine: Engine) -> None:
    linked = link(decode(GUEST), engine, {"": HostInterface({"f": lambda data, text: text})}, Limits())
    for _ in range(5_000):
        linked.instantiate(None)


def test_links_that_are_forgotten_are_freed(engine: Engine) -> None:
    """As after many reloads of a configuration."""
    component = decode(GUEST)

    def rounds(count: int) -> None:
        for _ in range(count):
            linked = link(component, engine, {"": HostInterface({"f": lambda data, text: text})}, Limits())
            instance = linked.instantiate(None)
            linked.exports[""]["go"](instance, "text")
        gc.collect()

    rounds(50)
    before = resident()
    rounds(200)
    assert resident() - before < 4 << 20
