"""Guests from text, with wasm-tools (a development dependency)."""

from __future__ import annotations

import subprocess
import sys
from functools import lru_cache
from pathlib import Path

WASM_TOOLS = str(Path(sys.executable).parent / "wasm-tools")
ROOT = Path(__file__).parents[2]
WIT = ROOT / "filters" / "wit"
BUILT = sorted((ROOT / "filters" / "built").glob("*.wasm"))

ALLOCATOR = """
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 4096))
  (func $realloc (export "cabi_realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result
  i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
                            (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $enough
      (loop $more
        (br_if $enough (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
        unreachable))
    (local.get $at))
"""
"""A memory, and a cabi_realloc that never frees and grows the memory when it must."""


def run(*args: str, data: bytes = b"") -> bytes:
    done = subprocess.run([WASM_TOOLS, *args], input=data, capture_output=True)
    if done.returncode:
        raise ValueError(done.stderr.decode())
    return done.stdout


@lru_cache(512)
def parse(text: str) -> bytes:
    """A module or component from its text format, not validated."""
    return run("parse", "-", data=text.encode())


@lru_cache(64)
def component(core: str, wit: str, world: str) -> bytes:
    """A component from a core module's text, the way toolchains make one: `wit` is a file or folder."""
    embedded = run("component", "embed", wit, "--world", world, "-", data=core.encode())
    return run("component", "new", "-", data=embedded)
