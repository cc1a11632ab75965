"""WASI preview 1 as Go's runtime finds it: answered inside of the component, the same each time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.component import HostInterface, decode, link
from proxy.errors import ProxyError
from proxy.sandbox import Engine, Limits, Trap
from tests.compiled import needs_source
from tests.component.guests import run
from tests.filters.placed import Placed

pytestmark = needs_source

FILTERS = Path(__file__).parents[2] / "filters"
ADAPTER = FILTERS.parent / "proxy/workshop/toolchains/go_adapter"

WIT = """
package demo:go;

interface run {
  look: func() -> u64;
  sleep: func(time: u64) -> u64;
  random: func() -> u64;
  write: func(file: u32, size: u32) -> u32;
  exit: func();
  directory: func() -> u32;
}

world app { export run; }
"""

TEXT = "one\\ntwo"
CORE = f"""(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $directory (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 100) "{TEXT}")
  (func $now (result i64) (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 16))) (i64.load (i32.const 16)))
  (func $since (param $before i64) (result i64) (i64.sub (call $now) (local.get $before)))
  (func (export "demo:go/run#look") (result i64) (call $since (call $now)))
  (func (export "demo:go/run#sleep") (param $time i64) (result i64)
    (i64.store offset=24 (i32.const 200) (local.get $time))
    (call $now)
    (drop (call $poll (i32.const 200) (i32.const 300) (i32.const 1) (i32.const 400)))
    (call $since))
  (func (export "demo:go/run#random") (result i64)
    (drop (call $random (i32.const 16) (i32.const 8)))
    (i64.load (i32.const 16)))
  (func (export "demo:go/run#write") (param $file i32) (param $size i32) (result i32)
    (i32.store (i32.const 16) (i32.const 100))
    (i32.store (i32.const 20) (i32.const 2))
    (i32.store (i32.const 24) (i32.const 102))
    (i32.store (i32.const 28) (i32.sub (local.get $size) (i32.const 2)))
    (drop (call $write (local.get $file) (i32.const 16) (i32.const 2) (i32.const 32)))
    (i32.load (i32.const 32)))
  (func (export "demo:go/run#exit") (call $exit (i32.const 2)))
  (func (export "demo:go/run#directory") (result i32) (call $directory (i32.const 3) (i32.const 16))))"""

Call = Callable[..., object]


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("adapter")
    (folder / "app.wit").write_text(WIT)
    adapter = run("parse", str(ADAPTER / "adapter.wat"))
    (folder / "adapter.wasm").write_bytes(run("component", "embed", str(ADAPTER / "log.wit"), "-", data=adapter))
    core = run("component", "embed", str(folder / "app.wit"), "-", data=CORE.encode())
    return run("component", "new", "-", "--adapt", f"wasi_snapshot_preview1={folder}/adapter.wasm", data=core)


@pytest.fixture
def logged() -> list[tuple[object, str]]:
    return []


@pytest.fixture
def call(engine: Engine, guest: bytes, logged: list[tuple[object, str]]) -> Iterator[Call]:
    log = HostInterface({"log": lambda data, level, message: logged.append((level, message))})
    linked = link(decode(guest), engine, {"sluice:filter/log@0.1.0": log}, Limits())
    instance = linked.instantiate(None)
    yield lambda function, *arguments: linked.exports["demo:go/run"][function](instance, *arguments)
    instance.close()


def test_each_look_at_the_clock_takes_a_microsecond(call: Call) -> None:
    assert [call("look"), call("look")] == [1_000, 1_000]


def test_sleeping_is_over_at_once_and_took_its_time(call: Call) -> None:
    assert call("sleep", 3_600_000_000_000) == 3_600_000_001_000


def test_random_numbers_are_the_same_in_each_instance(engine: Engine, guest: bytes) -> None:
    log = HostInterface({"log": lambda data, level, message: None})
    linked = link(decode(guest), engine, {"sluice:filter/log@0.1.0": log}, Limits())
    drawn = []
    for _ in range(2):
        instance = linked.instantiate(None)
        drawn.append([linked.exports["demo:go/run"]["random"](instance) for _ in range(3)])
        instance.close()
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 3


def test_what_is_written_is_logged_line_by_line(call: Call, logged: list[tuple[object, str]]) -> None:
    assert call("write", 2, 7) == 7
    assert logged == [("error", "one")]
    call("write", 2, 7)
    assert logged == [("error", "one"), ("error", "twoone")]


def test_standard_output_is_information(call: Call, logged: list[tuple[object, str]]) -> None:
    call("write", 1, 4)
    assert logged == [("info", "one")]


def test_a_line_without_end_is_cut(call: Call, logged: list[tuple[object, str]]) -> None:
    call("write", 2, 20_000)
    assert [len(message) for _, message in logged] == [3, 8192, 8192]


def test_the_last_words(call: Call, logged: list[tuple[object, str]]) -> None:
    call("write", 2, 7)
    with pytest.raises(Trap):
        call("exit")
    assert logged == [("error", "one"), ("error", "two")]


def test_there_are_no_files(call: Call) -> None:
    assert call("directory") == 8  # EBADF


def test_a_panic_is_logged_with_its_stack(engine: Engine, guest_log: pytest.LogCaptureFixture) -> None:
    component = (FILTERS / "locale/built/go.wasm").read_bytes()
    with pytest.raises(ProxyError):
        Placed(engine, "locale", component, {}).once("/")
    lines = [record.getMessage() for record in guest_log.records if record.levelno == logging.ERROR]
    assert "panic: bad configuration" in lines
    assert any("on_request.go:" in line for line in lines)
