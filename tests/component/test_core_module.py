"""What is read from core modules before they run; a module is only left out when it is exactly a shim or a fixup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.component.binary.core_module import (
    Fixup,
    Shim,
    acts_when_instantiated,
    as_fixup,
    as_shim,
    memory_minimums,
)
from tests.component.guests import parse

SHIM = """(module
  (type $a (func (param i32 i32))) (type $b (func (result i32)))
  (table $t 2 2 funcref)
  (func $0 (type $a) local.get 0 local.get 1 i32.const 0 call_indirect (type $a))
  (func $1 (type $b) i32.const 1 call_indirect (type $b))
  (export "0" (func $0)) (export "1" (func $1)) (export "$imports" (table $t)))"""

FIXUP = """(module
  (type $a (func (param i32 i32))) (type $b (func (result i32)))
  (import "" "0" (func $0 (type $a))) (import "" "1" (func $1 (type $b)))
  (import "" "$imports" (table 2 2 funcref))
  (elem (i32.const 0) func $0 $1))"""


def test_a_shim() -> None:
    assert as_shim(parse(SHIM)) == Shim("$imports", {"0": 0, "1": 1})


def test_a_fixup() -> None:
    assert as_fixup(parse(FIXUP)) == Fixup(("", "$imports"), (("", "0"), ("", "1")), None)


def test_a_fixup_that_initialises() -> None:
    text = FIXUP.replace('(import "" "$imports"', '(import "" "init" (func $init)) (import "" "$imports"')
    found = as_fixup(parse(text.removesuffix(")") + " (start $init))"))
    assert found is not None
    assert found.start == ("", "init")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("local.get 0 local.get 1", "local.get 1 local.get 0"),
        ("i32.const 1 call_indirect (type $b)", "i32.const 7"),
        ("i32.const 1 call_indirect (type $b)", "i32.const 1 call_indirect (type $b) nop"),
        ("i32.const 1 call_indirect (type $b)", "i32.const -1 call_indirect (type $b)"),
        ("(func $1 (type $b)", "(func $1 (type $b) (local i32)"),
        ("(table $t 2 2 funcref)", "(table $t 2 2 funcref) (table 1 funcref)"),
        ("(table $t 2 2 funcref)", "(table $t 2 2 funcref) (memory 1)"),
        ("(table $t 2 2 funcref)", "(table $t 2 2 funcref) (elem (i32.const 0) func $0)"),
        ("(table $t 2 2 funcref)", "(table $t 2 2 funcref) (start $s) (func $s)"),
        ('(export "$imports" (table $t))', ""),
        ('(export "$imports" (table $t))', '(export "$imports" (table $t)) (export "again" (table $t))'),
        ("(table $t 2 2 funcref)", '(import "" "g" (global i32)) (table $t 2 2 funcref)'),
    ],
)
def test_what_is_nearly_a_shim_is_none(old: str, new: str) -> None:
    assert old in SHIM
    assert as_shim(parse(SHIM.replace(old, new))) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("(elem (i32.const 0) func $0 $1)", "(elem (i32.const 1) func $0)"),
        ("(elem (i32.const 0) func $0 $1)", "(elem func $0 $1)"),
        ("(elem (i32.const 0) func $0 $1)", "(elem (i32.const 0) func $0) (elem (i32.const 1) func $1)"),
        ("(elem (i32.const 0) func $0 $1)", "(elem (i32.const 0) func $0 $1) (func)"),
        (
            '(import "" "$imports" (table 2 2 funcref))',
            '(import "" "$imports" (table 2 funcref)) (import "" "m" (memory 1))',
        ),
        ('(import "" "$imports" (table 2 2 funcref))', "(table 2 2 funcref)"),
    ],
)
def test_what_is_nearly_a_fixup_is_none(old: str, new: str) -> None:
    assert old in FIXUP
    assert as_fixup(parse(FIXUP.replace(old, new))) is None


@pytest.mark.parametrize(
    ("text", "acts"),
    [
        ("(module)", False),
        ('(module (memory 1) (data (i32.const 0) "own"))', False),
        ('(module (import "" "m" (memory 1)) (data (i32.const 0) "another\'s"))', True),
        ('(module (import "" "t" (table 1 funcref)) (func $f) (elem (i32.const 0) func $f))', True),
        ("(module (func $f) (start $f))", True),
        ('(module (import "" "f" (func)) (import "" "m" (memory 1)))', False),
    ],
)
def test_whether_making_an_instance_shows(text: str, acts: bool) -> None:
    assert acts_when_instantiated(parse(text)) is acts


def test_memory_at_the_start() -> None:
    assert memory_minimums(parse('(module (import "" "m" (memory 9)) (memory 2) (memory 3 7))')) == [2 << 16, 3 << 16]
    assert memory_minimums(parse("(module)")) == []


@given(st.binary(max_size=60))
def test_bytes_that_are_no_module_get_the_cautious_answer(tail: bytes) -> None:
    broken = b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f" + tail  # a section of 4 GiB
    assert as_shim(broken) is None
    assert as_fixup(broken) is None
    assert acts_when_instantiated(broken) is True
    assert memory_minimums(broken) == []
