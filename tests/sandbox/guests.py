"""One guest that does whatever harm its argument says."""

from __future__ import annotations

from proxy.component import Linked, decode, link
from proxy.sandbox import Engine, Limits
from tests.component.guests import parse

HARM = """(component
  (core module $m
    (memory (export "memory") 1)
    (func $recurse (call $recurse) (call $recurse))
    (func $inner (param i32) (if (local.get 0) (then unreachable)))
    (func $outer (export "unreachable") (call $inner (i32.const 1)))
    (func (export "loop") (loop (br 0)))
    (func (export "recurse") (call $recurse))
    (func (export "grow") (result i32)
      (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (memory.size))
    (func (export "fill")
      (memory.fill (i32.const 0) (i32.const 1) (i32.const 70000)))
    (func (export "nothing")))
  (core instance $i (instantiate $m))
  {exports})"""

NAMES = ["unreachable", "loop", "recurse", "grow", "fill", "nothing"]


def harmful(engine: Engine, limits: Limits) -> Linked:
    exports = " ".join(
        f'(alias core export $i "{name}" (core func ${name})) '
        f'(func (export "{name}") {"(result u32)" if name == "grow" else ""} (canon lift (core func ${name})))'
        for name in NAMES
    )
    return link(decode(parse(HARM.format(exports=exports))), engine, {}, limits)
