"""The conformance command itself: scripts of our own through it, and, where SLUICE_CONFORMANCE names a directory of
.wast files, all of that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conformance.component_model import ExpectedFailure, expected_failures, main

ADDER = """(component $adder
  (core module $m
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "half") (param f64) (result f64) (f64.div (local.get 0) (f64.const 2)))
    (func (export "fail") unreachable)
    (func $deep (export "deep") (call $deep)))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" u8) (param "b" u8) (result u8) (canon lift (core func $i "add")))
  (func (export "half") (param "a" f64) (result f64) (canon lift (core func $i "half")))
  (func (export "fail") (canon lift (core func $i "fail")))
  (func (export "deep") (canon lift (core func $i "deep"))))
"""

PASSING = r"""
(assert_return (invoke "add" (u8.const 1) (u8.const 2)) (u8.const 3))
(assert_return (invoke "half" (f64.const nan:0x4)) (f64.const nan:canonical))
(assert_return (invoke "half" (f64.const -0.0)) (f64.const -0.0))
(register "math" $adder)
(component
  (import "math" (instance $math (export "add" (func (param "a" u8) (param "b" u8) (result u8)))))
  (core func $add (canon lower (func $math "add")))
  (core module $m
    (import "" "add" (func $add (param i32 i32) (result i32)))
    (func (export "three") (result i32) (call $add (i32.const 1) (i32.const 2))))
  (core instance $i (instantiate $m (with "" (instance (export "add" (func $add))))))
  (func (export "three") (result u8) (canon lift (core func $i "three"))))
(assert_return (invoke "three") (u8.const 3))
(assert_trap (invoke $adder "fail") "unreachable")
(assert_trap (invoke $adder "add" (u8.const 1) (u8.const 2)) "cannot enter component instance")
(component definition $d) (component instance $one $d) (component instance $two $d)
(assert_invalid (component (export "f" (func 0))) "unknown function")
(assert_malformed (component quote "(component (nonsense))") "unexpected token")
(module $core
  (func (export "both") (param i32 f64) (result f64 i32)
    (f64.sqrt (local.get 1)) (i32.sub (local.get 0) (i32.const 1))))
(assert_return (invoke $core "both" (i32.const 0) (f64.const -4)) (f64.const nan:canonical) (i32.const -1))
(assert_invalid (module (func (result i32))) "type mismatch")
(assert_malformed (component binary "\00asm" "\0d\00\01\00" "\0d\00") "malformed section id")
(assert_unlinkable (component (import "nobody" (func))) "was not found")
(assert_trap
  (component (core module $m (func $f unreachable) (start $f)) (core instance (instantiate $m))) "unreachable")
"""

FAILING = [
    ('(assert_return (invoke "add" (u8.const 1) (u8.const 2)) (u8.const 4))', "the result is 3, not 4"),
    ('(assert_return (invoke "half" (f64.const -0.0)) (f64.const 0.0))', "the result is -0.0, not 0.0"),
    ('(assert_return (invoke "add" (u8.const 1)) (u8.const 4))', "1 arguments are given"),
    ('(assert_trap (invoke "add" (u8.const 1) (u8.const 2)) "overflow")', "no trap ('overflow' expected)"),
    ('(assert_return (invoke "fail"))', "Trap: unreachable executed"),
    ('(assert_invalid (component) "invalid")', "accepted, though 'invalid'"),
    ('(assert_malformed (component quote "(component)") "malformed")', "accepted, though 'malformed'"),
    ('(assert_unlinkable (component) "unlinkable")', "linked, though 'unlinkable'"),
    ('(assert_trap (component) "trap")', "instantiated, though 'trap'"),
    ('(component (import "nobody" (func)))', "LinkError"),
    ('(assert_return (invoke "add" (u8.const 1) (u8.const 2)) (u8.const 3))', "there is no such instance"),
]


def run(directory: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    """Exit status, lines of output, and what was said of failures."""
    status = main([str(directory), *arguments])
    captured = capsys.readouterr()
    return status, captured.out.splitlines(), captured.err


def test_what_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "a.wast").write_text(ADDER + PASSING)
    status, lines, errors = run(tmp_path, capsys)
    assert (status, errors) == (0, "")
    assert lines == ["deeper/a.wast: 20 passed, 0 failed", "20 passed, 0 failed"]


def test_what_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.wast").write_text(ADDER + "\n".join(command for command, _ in FAILING))
    status, lines, errors = run(tmp_path, capsys)
    assert (status, lines) == (1, [f"a.wast: 1 passed, {len(FAILING)} failed", f"1 passed, {len(FAILING)} failed"])
    first = ADDER.count("\n") + 1
    for number, (_, why) in enumerate(FAILING):
        assert f"a.wast:{first + number}: " in errors
        assert why in errors


def test_a_file_that_cannot_be_read_or_does_not_end_fails_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "fine.wast").write_text("(component)")
    (tmp_path / "nonsense.wast").write_text("(component")
    status, lines, errors = run(tmp_path, capsys)
    assert (status, lines[-1]) == (1, "1 passed, 1 failed")
    assert "nonsense.wast:0: " in errors
    status, lines, errors = run(tmp_path, capsys, "--timeout", "0.001")
    assert (status, lines[-1]) == (1, "0 passed, 2 failed")
    assert "not done after 0.001 s" in errors


def test_expected_failures_are_not_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a.wast").write_text('(component (import "nobody" (func)))')
    (tmp_path / "b.wast").write_text('(component)\n(component (import "nobody" (func)))')
    listed = tmp_path / "expected.txt"
    listed.write_text("# a remark\nlater/ not yet\nb.wast:2 nobody is there\n")
    status, lines, errors = run(tmp_path, capsys, "--expected-failures", str(listed))
    assert errors == ""
    assert (status, lines) == (
        0,
        [
            "b.wast: 1 passed, 0 failed, 1 expected to fail",
            "later/a.wast: 0 passed, 0 failed, 1 expected to fail",
            "1 passed, 0 failed",
        ],
    )


def test_the_expected_failures_file() -> None:
    assert expected_failures("a/b.wast:7 why not\n\nc/ all of it\n") == [
        ExpectedFailure("a/b.wast", 7, "why not"),
        ExpectedFailure("c/", None, "all of it"),
    ]
    with pytest.raises(ValueError, match="gives no reason"):
        expected_failures("a/b.wast:7\n")


@pytest.mark.skipif("SLUICE_CONFORMANCE" not in os.environ, reason="SLUICE_CONFORMANCE names no directory")
def test_the_directory_that_the_environment_names() -> None:
    assert main([os.environ["SLUICE_CONFORMANCE"]]) == 0
