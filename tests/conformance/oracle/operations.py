"""What guests of the oracle do: their operations, by number, and the component that carries them out."""

from __future__ import annotations

from typing import NamedTuple

RESULT_AT = 16
"""Where in memory events and the results of calls go."""
WRITE_FROM, READ_INTO = 2048, 3072
"""Where in memory streams and futures copy from and to."""
PATTERN = bytes(number * 7 % 251 for number in range(512))
"""What is at WRITE_FROM."""


class Operation(NamedTuple):
    """`canon` defines the core function that it is, "" for what the guest does itself; `params` of it come from the
    program. `result`: "", i32, i64 (in two words), or event (one word, and two in memory)."""

    name: str
    canon: str
    params: int
    result: str = ""
    tail: str = ""
    """Constant arguments after those."""


MEMORY = '(memory (core memory $memory "m"))'


def _ends(kind: str, copy_params: int) -> list[Operation]:
    found = [Operation(f"{kind}.new", f"{kind}.new ${kind}", 0, "i64")]
    for verb, end in (("read", "readable"), ("write", "writable")):
        for mode in ("", " async"):
            found += [
                Operation(f"{kind}.{verb}{mode}", f"{kind}.{verb} ${kind}{mode} {MEMORY}", copy_params, "i32"),
                Operation(f"{kind}.cancel-{verb}{mode}", f"{kind}.cancel-{verb} ${kind}{mode}", 1, "i32"),
            ]
        found.append(Operation(f"{kind}.drop-{end}", f"{kind}.drop-{end} ${kind}", 1))
    return found


EVENT = f"(i32.const {RESULT_AT})"
OPERATIONS = [
    Operation("exit", "", 1),
    Operation("load", "", 1),
    Operation("task.return", f"task.return (result u32) {MEMORY}", 1),
    Operation("task.cancel", "task.cancel", 0),
    Operation("backpressure.inc", "backpressure.inc", 0),
    Operation("backpressure.dec", "backpressure.dec", 0),
    Operation("thread.yield", "thread.yield", 0, "i32"),
    Operation("waitable-set.new", "waitable-set.new", 0, "i32"),
    Operation("waitable-set.wait", f"waitable-set.wait {MEMORY}", 1, "event", EVENT),
    Operation("waitable-set.poll", f"waitable-set.poll {MEMORY}", 1, "event", EVENT),
    Operation("waitable-set.drop", "waitable-set.drop", 1),
    Operation("waitable.join", "waitable.join", 2),
    Operation("subtask.cancel", "subtask.cancel", 1, "i32"),
    Operation("subtask.cancel async", "subtask.cancel async", 1, "i32"),
    Operation("subtask.drop", "subtask.drop", 1),
    *_ends("stream", 3),
    *_ends("future", 2),
]
CALLS = [
    *(Operation(f"call {name}", f'lower (func ${name}) async {MEMORY}', 1, "i32", EVENT)
      for name in ("callback", "stackful", "sync")),
    Operation("call take", f"lower (func $take) async {MEMORY}", 2, "i32", EVENT),
    *(Operation(f"wait {name}", f"lower (func ${name})", 1, "i32") for name in ("callback", "stackful", "sync")),
]  # fmt: skip
"""Of the component above the other: calls of its functions, whose first argument says which program they run."""

NUMBER = {operation.name: number for number, operation in enumerate([*OPERATIONS, *CALLS])}


def _case(number: int, operation: Operation) -> str:
    arguments = " ".join(f"(local.get ${name})" for name in "abc"[: operation.params])
    call = f"(call $o{number} {arguments} {operation.tail})"
    body = {
        "": call,
        "i32": f"(local.set $r {call})",
        "event": f"(local.set $r {call}) (local.set $p (i32.load {EVENT})) (local.set $q (i32.load offset=4 {EVENT}))",
        "i64": f"(local.set $w {call}) (local.set $r (i32.wrap_i64 (local.get $w)))"
        " (local.set $p (i32.wrap_i64 (i64.shr_u (local.get $w) (i64.const 32))))",
    }[operation.result]
    if operation.name == "exit":
        body = "(return (local.get $a))"
    elif operation.name == "load":
        body = "(local.set $r (i32.load8_u (local.get $a)))"
    return f"(if (i32.eq (local.get $op) (i32.const {number})) (then {body} (br $again)))"


_RESULTS = {"": "", "i32": "(result i32)", "i64": "(result i64)", "event": "(result i32)"}


def _guest(operations: list[Operation]) -> str:
    """A core module that does what `next` says, until it says exit."""
    imports = "".join(
        f'(import "" "o{number}" (func $o{number} (param{" i32" * (each.params + bool(each.tail))})'
        f" {_RESULTS[each.result]}))\n"
        for number, each in enumerate(operations)
        if each.canon
    )
    loads = "".join(f"(local.set ${name} (i32.load offset={4 * at} (i32.const 0)))" for at, name in
                    enumerate(("op", "a", "b", "c")))  # fmt: skip
    return f"""(core module $guest
  (import "" "next" (func $next (param i32 i32 i32 i32 i32)))
  (import "" "get" (func $get (result i32)))
  (import "" "set" (func $set (param i32)))
  (import "" "m" (memory 1))
  {imports}
  (func $loop (param $id i32) (param $r i32) (param $p i32) (param $q i32) (result i32)
    (local $op i32) (local $a i32) (local $b i32) (local $c i32) (local $w i64)
    (loop $again
      (call $next (local.get $id) (local.get $r) (local.get $p) (local.get $q) (i32.const 0))
      {loads}
      (local.set $r (i32.const 0)) (local.set $p (i32.const 0)) (local.set $q (i32.const 0))
      {"".join(_case(number, each) for number, each in enumerate(operations))})
    unreachable)
  (func (export "take") (param $id i32) (param $end i32) (result i32)
    (call $set (local.get $id))
    (call $loop (local.get $id) (local.get $end) (i32.const 0) (i32.const 0)))
  (func (export "sync") (param $id i32) (result i32)
    (call $set (local.get $id))
    (call $loop (local.get $id) (i32.const 0) (i32.const 0) (i32.const 0)))
  (func (export "stackful") (param $id i32)
    (drop (call $loop (local.get $id) (i32.const 0) (i32.const 0) (i32.const 0))))
  (func (export "resume") (param i32 i32 i32) (result i32)
    (call $loop (call $get) (local.get 0) (local.get 1) (local.get 2))))"""


_NEXT = """(import "next" (func $next (param "id" u32) (param "r" u32) (param "p" u32) (param "q" u32)
  (result (tuple u32 u32 u32 u32))))"""
_TYPE = 'async (param "id" u32) (result u32)'
_TAKE = 'async (param "id" u32) (param "end" (stream u8)) (result u32)'


def _component(name: str, operations: list[Operation], imports: str, exports: str) -> str:
    """A component of one guest, which has the built-ins of its operations."""
    canons = "".join(
        f"(core func $o{number} (canon {each.canon}))\n" for number, each in enumerate(operations) if each.canon
    )
    given = "".join(f'(export "o{number}" (func $o{number}))' for number, each in enumerate(operations) if each.canon)
    pattern = "".join(f"\\{byte:02x}" for byte in PATTERN)
    return f"""(component ${name}
  {_NEXT}
  {imports}
  (type $stream (stream u8))
  (type $future (future u8))
  (core module $room (memory (export "m") 1) (data (i32.const {WRITE_FROM}) "{pattern}"))
  (core instance $memory (instantiate $room))
  (core func $next (canon lower (func $next) {MEMORY}))
  (core func $get (canon context.get i32 0))
  (core func $set (canon context.set i32 0))
  {canons}
  {_guest(operations)}
  (core instance $i (instantiate $guest (with "" (instance
    (export "next" (func $next)) (export "get" (func $get)) (export "set" (func $set))
    (export "m" (memory $memory "m")) {given}))))
  {exports})"""


def component() -> str:
    """A component of two: `caller`, whose `run` the host calls, and `callee`, whose functions that calls."""
    lift = f"(canon lift (core func $i %s) async {MEMORY}%s)"
    stackful = f'(func (export "stackful") {_TYPE} {lift % (chr(34) + "stackful" + chr(34), "")})'
    resumed = ' (callback (core func $i "resume"))'
    callee = f"""
  (func (export "callback") {_TYPE} {lift % ('"sync"', resumed)})
  (func (export "take") {_TAKE} {lift % ('"take"', resumed)})
  (func (export "sync") {_TYPE} (canon lift (core func $i "sync")))
  {stackful}"""
    names = ("callback", "stackful", "sync")
    imports = "".join(f'(import "{name}" (func ${name} {_TYPE}))' for name in names)
    imports += f'(import "take" (func $take {_TAKE}))'
    given = "".join(f'(with "{name}" (func $callee "{name}"))' for name in (*names, "take"))
    return f"""(component
  {_NEXT}
  {_component("callee", OPERATIONS, "", callee)}
  {_component("caller", [*OPERATIONS, *CALLS], imports, stackful)}
  (instance $callee (instantiate $callee (with "next" (func $next))))
  (instance $caller (instantiate $caller (with "next" (func $next)) {given}))
  (export "run" (func $caller "stackful")))"""
