"""WASI 0.2 as guests see it: real imports of a real component, by another 0.2 version than the host's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.component import HostInterface, Instance, Linked, LinkError, decode, link
from proxy.sandbox import Engine, Limits, Trap
from proxy.wasi import interfaces
from proxy.wasi.cli import Exit
from proxy.wasi.clocks import WouldWait
from proxy.wasi.io import BadCall
from proxy.wasi.random import MOST, TooMuch
from tests.component.guests import ALLOCATOR, component

WIT = """
package demo:app;

interface run { run: func(what: u32, size: u32) -> u64; }

world app {
  import wasi:cli/stdout@0.2.3;
  import wasi:cli/environment@0.2.3;
  import wasi:cli/exit@0.2.3;
  import wasi:cli/stdin@0.2.3;
  import wasi:clocks/monotonic-clock@0.2.3;
  import wasi:random/random@0.2.3;
  import wasi:random/insecure-seed@0.2.3;
  import wasi:filesystem/preopens@0.2.3;
  export run;
}

package wasi:io@0.2.3 {
  interface streams {
    resource error;
    variant stream-error { last-operation-failed(error), closed }
    resource input-stream { read: func(len: u64) -> result<list<u8>, stream-error>; }
    resource output-stream {
      check-write: func() -> result<u64, stream-error>;
      write: func(contents: list<u8>) -> result<_, stream-error>;
    }
  }
}
package wasi:cli@0.2.3 {
  interface stdout { use wasi:io/streams@0.2.3.{output-stream}; get-stdout: func() -> output-stream; }
  interface stdin { use wasi:io/streams@0.2.3.{input-stream}; get-stdin: func() -> input-stream; }
  interface environment { get-environment: func() -> list<tuple<string, string>>; }
  interface exit { exit: func(status: result); }
}
package wasi:clocks@0.2.3 {
  interface monotonic-clock { now: func() -> u64; resolution: func() -> u64; subscribe-duration: func(n: u64) -> u32; }
}
package wasi:random@0.2.3 {
  interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
  interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
}
package wasi:filesystem@0.2.3 {
  interface types { resource descriptor; }
  interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
}
"""

IMPORTS = """
  (import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $close (param i32)))
  (import "wasi:cli/stdin@0.2.3" "get-stdin" (func $stdin (result i32)))
  (import "wasi:io/streams@0.2.3" "[method]input-stream.read" (func $read (param i32 i64 i32)))
  (import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/exit@0.2.3" "exit" (func $exit (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "resolution" (func $resolution (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "subscribe-duration" (func $sleep (param i64) (result i32)))
  (import "wasi:random/random@0.2.3" "get-random-bytes" (func $bytes (param i64 i32)))
  (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
  (import "wasi:random/insecure-seed@0.2.3" "insecure-seed" (func $seed (param i32)))
  (import "wasi:filesystem/preopens@0.2.3" "get-directories" (func $directories (param i32)))
"""

ACTIONS = {
    "print": """(local.set $stream (call $stdout))
      (call $write (local.get $stream) (i32.const 100) (local.get $size) (i32.const 16))
      (call $close (local.get $stream))
      (i64.load8_u (i32.const 16))""",
    "read": """(call $read (call $stdin) (i64.const 10) (i32.const 16)) (i64.load8_u (i32.const 20))""",
    "environment": "(call $environment (i32.const 16)) (i64.load32_u (i32.const 20))",
    "directories": "(call $directories (i32.const 16)) (i64.load32_u (i32.const 20))",
    "exit": "(call $exit (local.get $size)) (i64.const 0)",
    "now": "(call $now)",
    "resolution": "(call $resolution)",
    "sleep": "(i64.extend_i32_u (call $sleep (i64.const 1)))",
    "bytes": """(call $bytes (i64.extend_i32_u (local.get $size)) (i32.const 16)) (i64.load32_u (i32.const 20))""",
    "random": "(call $random)",
    "seed": "(call $seed (i32.const 16)) (i64.load (i32.const 16))",
}

TEXT = "first line\\nsecond"

CORE = f"""(module {IMPORTS} {ALLOCATOR}
  (data (i32.const 100) "{TEXT}")
  (func (export "demo:app/run#run") (param $what i32) (param $size i32) (result i64) (local $stream i32)
    {
    " ".join(
        f"(if (i32.eq (local.get $what) (i32.const {number})) (then {body} return))"
        for number, body in enumerate(ACTIONS.values())
    )
}
    unreachable))"""

Call = Callable[..., int]


class Exchange:
    """What the host is told: `impure` counts, `printed` are (stream, line)."""

    def __init__(self) -> None:
        self.impure = 0
        self.printed: list[tuple[str, str]] = []


def taint(exchange: Exchange) -> None:
    exchange.impure += 1


def printed(exchange: Exchange, stream: str, line: str) -> None:
    exchange.printed.append((stream, line))


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("wit") / "app.wit"
    path.write_text(WIT)
    return component(CORE, str(path), "app")


@pytest.fixture(scope="module")
def linked(engine: Engine, guest: bytes) -> Linked:
    imports = interfaces({"clocks", "random"}, impure=taint, output=printed)
    return link(decode(guest), engine, imports, Limits())


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
def run(linked: Linked, exchange: Exchange) -> Callable[..., int]:
    return lambda action, size=0: called(linked, exchange, action, size)


def called(linked: Linked, exchange: Exchange, action: str, size: int = 0) -> int:
    instance: Instance = linked.instantiate(exchange)
    number = list(ACTIONS).index(action)
    result: int = linked.exports["demo:app/run"]["run"](instance, number, size)
    instance.close()
    return result


@pytest.mark.parametrize(
    ("action", "result"),
    [("read", 1), ("environment", 0), ("directories", 0), ("resolution", 1)],
    ids=["input is closed", "no environment", "no directories", "a resolution"],
)
def test_what_is_always_the_same_leaves_a_run_pure(run: Call, exchange: Exchange, action: str, result: int) -> None:
    assert run(action) == result
    assert exchange.impure == 0


def test_printed_lines_reach_the_caller_the_last_when_the_stream_is_closed(run: Call, exchange: Exchange) -> None:
    assert run("print", 17) == 0
    assert exchange.printed == [("stdout", "first line"), ("stdout", "second")]
    assert exchange.impure == 1


def test_a_line_that_never_ends_is_cut(run: Call, exchange: Exchange) -> None:
    run("print", 60_000)
    assert max(len(line) for _, line in exchange.printed) <= 8192


def test_too_much_at_once_is_refused(run: Call) -> None:
    with pytest.raises(Trap) as caught:
        run("print", 70_000)
    assert isinstance(caught.value.__cause__, BadCall)


def test_the_time_makes_a_run_impure(run: Call, exchange: Exchange) -> None:
    assert run("now") <= run("now")
    assert exchange.impure == 2


def test_an_environment_makes_a_run_impure(engine: Engine, guest: bytes, exchange: Exchange) -> None:
    granted = {"NAME": "value", "OTHER": ""}
    imports = interfaces({"clocks", "random"}, impure=taint, output=printed, environment=granted)
    linked = link(decode(guest), engine, imports, Limits())
    assert called(linked, exchange, "environment") == 2
    assert exchange.impure == 1


def test_nobody_waits(run: Call) -> None:
    with pytest.raises(Trap) as caught:
        run("sleep")
    assert isinstance(caught.value.__cause__, WouldWait)


def test_random_numbers_make_a_run_impure(run: Call, exchange: Exchange) -> None:
    assert run("random") != run("random")
    assert run("bytes", 32) == 32
    assert exchange.impure == 3


def test_random_bytes_are_bounded(run: Call, exchange: Exchange) -> None:
    with pytest.raises(Trap) as caught:
        run("bytes", MOST + 1)
    assert isinstance(caught.value.__cause__, TooMuch)
    assert exchange.impure == 0


def test_the_insecure_seed_is_one_for_the_process(run: Call, exchange: Exchange) -> None:
    assert run("seed") == run("seed")
    assert exchange.impure == 0


@pytest.mark.parametrize(("status", "said"), [(0, "success"), (1, "failure")])
def test_exit_is_a_trap(run: Call, status: int, said: str) -> None:
    with pytest.raises(Trap, match=f"exited, reporting {said}") as caught:
        run("exit", status)
    assert isinstance(caught.value.__cause__, Exit)


@pytest.mark.parametrize(
    ("grants", "missing"),
    [({"random"}, "wasi:clocks/monotonic-clock@0.2.3"), ({"clocks"}, "wasi:random/random@0.2.3")],
)
def test_what_is_not_granted_is_refused_by_name(engine: Engine, guest: bytes, grants: set[str], missing: str) -> None:
    with pytest.raises(LinkError, match=missing):
        link(decode(guest), engine, interfaces(grants, impure=taint, output=printed), Limits())


GREETING = Path(__file__).parents[1] / "foreign/greeting.wasm"


class Request:
    """What the greeting filter asks of a request, and what became of it."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.pure = True
        self.printed: list[str] = []


def test_a_guest_with_the_adapter_of_preview_1(engine: Engine) -> None:
    """Rust's standard library on wasi-libc: the adapter is a core module of its own, made when it is first called."""

    def tainted(request: Request) -> None:
        request.pure = False

    def say(request: Request, stream: str, line: str) -> None:
        request.printed.append(f"{stream}: {line}")

    answers: dict[str, Callable[..., Any]] = {
        "path": lambda request: "/greeting",
        "header": lambda request, name: request.language,
    }
    imports = interfaces({"random"}, impure=tainted, output=say)
    imports["sluice:filter/request@0.1.0"] = HostInterface(answers)
    linked = link(decode(GREETING.read_bytes()), engine, imports, Limits())
    on_request = linked.exports["sluice:filter/on-request@0.1.0"]["on-request"]
    french, dutch = Request("fr"), Request("nl")
    case, reply = on_request(linked.instantiate(french))
    assert (case, reply["status"]) == ("reply", 200)
    assert reply["body"].startswith(b"Bonjour")
    on_request(linked.instantiate(dutch))
    assert dutch.printed == ["stderr: no greeting in nl"]
    assert not dutch.pure
