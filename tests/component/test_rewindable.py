"""Which instances can be put back: those of modules that leave tables and segments alone, and are understood."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.component import decode
from proxy.component.binary.rewindable import PREFIX, Rewindable, rewindable
from proxy.sandbox import Engine
from tests.component.guests import BUILT, parse

ORDINARY = """(module
  (type $ii (func (param i32) (result i32)))
  (import "" "f" (func $f (type $ii))) (import "" "m" (memory 1)) (import "" "g" (global $given i32))
  (table $t 4 funcref) (elem (i32.const 1) func $all) (elem $passive func $all)
  (memory $own 1 4) (data (memory $own) (i32.const 8) "\\26\\fc\\0d") (data $later "abc")
  (global $sp (mut i32) (i32.const -9)) (global $const i64 (i64.const 0x7fffffffffffffff))
  (global $long (mut i64) (i64.const -1)) (global $single (mut f32) (f32.const 1.5))
  (global $ref funcref (ref.null func))
  (global $double (mut f64) (f64.const -0.1)) (global $sum i32 (i32.add (global.get $given) (i32.const 1)))
  (func $all (export "all") (type $ii)
    (local $a i32) (local $b i64) (local $c f32) (local $d f64) (local $v v128) (local $r funcref)
    (block $out (result i32)
      (loop $again
        (block $one (block $two (br_table $one $two $one $two (local.get 0))))
        (br_if $again (i32.const 0x2626)))
      (local.set $a (i32.load8_u offset=38 (i32.const 0x80000026)))
      (i64.store32 offset=0x26 (i32.const 0) (i64.const -0x26fc0d))
      (local.set $b (i64.extend32_s (i64.trunc_sat_f64_s (f64.const 3.25))))
      (local.set $c (f32.const 0x1.26fcp+3)) (local.set $d (f64.promote_f32 (local.get $c)))
      (local.set $v (v128.const i8x16 38 252 13 38 38 38 38 38 38 38 38 38 38 38 38 38))
      (local.set $v (i8x16.shuffle 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 (local.get $v) (local.get $v)))
      (local.set $v (i8x16.replace_lane 12 (local.get $v) (i8x16.extract_lane_s 13 (local.get $v))))
      (local.set $v (v128.load8_lane offset=38 3 (i32.const 0) (local.get $v)))
      (local.set $v (i64x2.extmul_high_i32x4_u (local.get $v) (local.get $v)))
      (v128.store (i32.const 16) (f32x4.add (v128.load32_zero (i32.const 0)) (local.get $v)))
      (local.set $r (table.get $t (i32.const 1)))
      (local.set $r (select (result funcref) (ref.null func) (ref.func $all) (ref.is_null (local.get $r))))
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 9)) (memory.copy (i32.const 0) (i32.const 1) (i32.const 2))
      (memory.init $later (i32.const 0) (i32.const 0) (i32.const 0))
      (drop (memory.grow (memory.size))) (drop (table.size $t))
      (global.set $sp (global.get $given)) (global.set $long (i64.const 0x26))
      (if (i32.eqz (local.get $a)) (then (nop)) (else (unreachable)))
      (drop (call $f (call_indirect $t (type $ii) (i32.const 1) (i32.const 1))))
      (br $out (local.tee $a (i32.const 0)))
      (return (i32.const 1)))))"""
"""One of every kind of instruction that is understood, with immediates that look like others."""


def test_what_instances_keep_is_exported_and_the_rest_as_it_was(engine: Engine) -> None:
    data = parse(ORDINARY)
    found = rewindable(data)
    assert found is not None
    assert found.memories == (f"{PREFIX}memory-1",)
    assert found.globals == tuple(f"{PREFIX}global-{number}" for number in (1, 3, 4, 6))
    before, after = engine.module(data), engine.module(found.module)
    assert after.imports == before.imports
    assert {name: kind for name, kind in after.exports.items() if not name.startswith(PREFIX)} == before.exports
    assert [after.exports[name].kind for name in (*found.memories, *found.globals)] == ["memory"] + 4 * ["global"]


CHANGES = {
    "table.set": "(table.set $t (i32.const 0) (ref.null func))",
    "table.grow": "(drop (table.grow $t (ref.null func) (i32.const 1)))",
    "table.fill": "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))",
    "table.copy": "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 1))",
    "table.init": "(table.init $t $passive (i32.const 0) (i32.const 0) (i32.const 1))",
    "elem.drop": "(elem.drop $passive)",
    "data.drop": "(data.drop $later)",
    "a memory beyond the first": "(drop (i32.load $own (i32.const 0)))",
    "atomics": "(drop (i32.atomic.load (i32.const 0)))",
}


@pytest.mark.parametrize("before", ["(unreachable)", "(block $one (br_table $one $one (i32.const 0)))", "(nop)"])
@pytest.mark.parametrize("instruction", CHANGES.values(), ids=CHANGES)
def test_one_instruction_that_changes_more_is_enough(instruction: str, before: str) -> None:
    changed = ORDINARY.removesuffix(")") + f"(func {before} {instruction}))"
    assert rewindable(parse(changed)) is None


KEEPS = {
    "a reference": "(module (global (mut funcref) (ref.null func)))",
    "a vector": '(module (global (mut v128) (v128.const i64x2 0 0)) (export "g" (global 0)))',
    "nothing that could be called": "(module (memory 1))",
    "what looks like ours": f'(module (memory 1) (export "{PREFIX}memory-0" (memory 0)))',
}


@pytest.mark.parametrize("text", KEEPS.values(), ids=KEEPS)
def test_what_cannot_be_reached_or_written(text: str) -> None:
    assert rewindable(parse(text)) is None


def test_a_module_that_keeps_nothing_stays_as_it_is() -> None:
    data = parse('(module (func (export "f")))')
    assert rewindable(data) == Rewindable(data, (), ())


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.name)
def test_the_shipped_filters_are(path: object) -> None:
    assert all(rewindable(module) for module in decode(path.read_bytes()).core_modules)  # type: ignore[attr-defined]


@given(st.data())
@settings(max_examples=300)
def test_what_is_no_module_is_not(data: st.DataObject) -> None:
    module = bytearray(parse(ORDINARY))
    for _ in range(data.draw(st.integers(1, 4))):
        module[data.draw(st.integers(8, len(module) - 1))] = data.draw(st.integers(0, 255))
    found = rewindable(bytes(module[: data.draw(st.integers(0, len(module)))]))
    assert found is None or isinstance(found, Rewindable)
