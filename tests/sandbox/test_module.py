"""What a compiled module says of itself: the raw calls rely on it."""

from __future__ import annotations

import pytest

from proxy.sandbox import CoreExtern, CoreFuncType, CoreMemoryType, Engine, raw
from tests.component.guests import parse


def test_imports_and_exports_with_their_types(engine: Engine) -> None:
    module = engine.module(
        parse("""(module
          (import "a" "f" (func (param i32 f64) (result i64)))
          (import "a" "g" (global i32))
          (memory (export "m") 3)
          (table (export "t") 1 funcref)
          (func (export "v") (param f32) (result i32 i32) unreachable))""")
    )
    assert module.imports == (
        ("a", "f", CoreExtern("func", CoreFuncType(("i32", "f64"), ("i64",)))),
        ("a", "g", CoreExtern("global", None)),
    )
    assert module.exports == {
        "m": CoreExtern("memory", CoreMemoryType(3 << 16, False)),
        "t": CoreExtern("table", None),
        "v": CoreExtern("func", CoreFuncType(("f32",), ("i32", "i32"))),
    }


def test_names_that_differ_in_a_zero_byte_are_two(engine: Engine) -> None:
    """Otherwise a function would be called with the type of another."""
    text = '(module (func (export "f\\00") (param i32)) (func (export "f") (result i64) i64.const 0))'
    assert engine.module(parse(text)).exports == {
        "f\0": CoreExtern("func", CoreFuncType(("i32",), ())),
        "f": CoreExtern("func", CoreFuncType((), ("i64",))),
    }


def test_types_that_are_not_numbers_are_not_mistaken_for_numbers(engine: Engine) -> None:
    found = engine.module(parse('(module (func (export "f") (param v128 funcref)))')).exports["f"]
    assert found.type == CoreFuncType(("?", "?"), ())


def test_a_module_that_is_asked_for_while_it_is_freed_is_made_anew(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a reload in another thread, when the last filter of it has just been let go of."""
    data = bytes.fromhex("0061736d01000000")
    free, asked = raw.module_delete, []

    def delete(address: int) -> None:
        asked.append(engine.module(data))
        free(address)

    monkeypatch.setattr(raw, "module_delete", delete)
    old = engine.module(data)
    monkeypatch.undo()
    del old
    (new,) = asked
    assert new.address
    assert engine.module(data) is new
