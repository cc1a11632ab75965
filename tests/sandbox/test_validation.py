"""Components are checked whole, without their code, and a verdict is found once."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.component import decode
from proxy.sandbox import CompileError, Engine
from tests.component.guests import parse

VALID = """(component
  (core module $m (func $inner (result i32) i32.const 7) (func (export "f") (result i32) call $inner))
  (core instance $i (instantiate $m))
  (func (export "f") (result u32) (canon lift (core func $i "f"))))"""


def skeleton(text: str) -> bytes:
    return decode(parse(text)).skeleton.component


def test_a_component_that_fits_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine(tmp_path) as engine:
        engine.validate(skeleton(VALID))
    with Engine(tmp_path) as engine:
        monkeypatch.setattr(engine._validation, "component", lambda data: "asked again")
        engine.validate(skeleton(VALID))


def test_a_component_that_does_not(tmp_path: Path) -> None:
    with Engine(tmp_path) as engine:
        for _ in range(2):
            with pytest.raises(CompileError, match="lowered result types"):
                engine.validate(skeleton(VALID.replace("(result u32)", "(result f32)")))
        assert list(tmp_path.iterdir()) == []


def test_what_core_modules_do_is_not_there(tmp_path: Path) -> None:
    """A function that is not exported may even be wrong: it is compiled elsewhere, and refused there."""
    assert len(skeleton(VALID)) == len(skeleton(VALID.replace("i32.const 7", "i32.const 1 drop " * 99 + "i32.const 7")))


def test_functions_that_globals_refer_to_stay() -> None:
    text = """(component (core module
      (func $f) (global (export "g") funcref (ref.func $f)) (table (export "t") 1 funcref (ref.func $f))))"""
    with Engine() as engine:
        engine.validate(skeleton(text))


def test_a_core_module_that_nobody_instantiates_is_checked() -> None:
    with Engine() as engine, pytest.raises(CompileError, match="type mismatch"):
        engine.validate_module(parse("(module (func (result i32) i64.const 1))"))
