"""A filter that makes the calls that its configuration says: `down` in on-request, `up` in on-response, `open` when
it is asked whether it transforms the body.

A script is text: a count of calls, then six numbers for each (which function, where its two arguments are in the script
and how long, and a twist), then what the arguments are. A number is two characters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.component.guests import WIT, component

STRING = ("request.method", "request.scheme", "request.authority", "request.path", "request.query",
          "request.client-address", "request.headers", "response.headers", "config.json")  # fmt: skip
ASK = ("request.query-param", "request.header", "request.cookie", "request.note", "response.header", "config.get")
NUMBER = ("response.status",)
SET = ("request.set-method", "request.set-authority", "request.set-path", "request.remove-header",
       "response.remove-header", "response.tag")  # fmt: skip
OPTION = ("request.set-query",)
SET_TWO = ("request.set-header", "request.append-header", "request.set-note", "response.set-header",
           "response.append-header")  # fmt: skip
SET_NUMBER = ("response.set-status",)
LOG = ("log.log",)
FUNCTIONS = (*STRING, *ASK, *NUMBER, *SET, *OPTION, *SET_TWO, *SET_NUMBER, *LOG)

PLAIN, NAME_OUTSIDE, VALUE_OUTSIDE, RESULT_UNALIGNED, RESULT_OUTSIDE, ALLOCATES_OUTSIDE, ALLOCATION_TRAPS, LAST = range(
    8
)
"""Twists. The last one: the second argument is what the call before gave."""

_RESULT, _HEAP = 1024, 4096


@dataclass(frozen=True)
class Call:
    function: str
    first: str = ""
    second: str = ""
    twist: int = PLAIN
    number: int = 0


def script(calls: Sequence[Call]) -> str:
    """The text of a script, all of it ASCII but for arguments."""
    head = 2 + 12 * len(calls)
    text = b""
    numbers = [len(calls)]
    for call in calls:
        first, second = call.first.encode(), call.second.encode()
        numbers += [FUNCTIONS.index(call.function), head + len(text), len(first)]
        numbers += [head + len(text) + len(first), len(second), call.twist + 8 * call.number]
        text += first + second
    return "".join(chr(32 + number // 90) + chr(32 + number % 90) for number in numbers) + text.decode()


def _imports() -> str:
    shapes = {
        **dict.fromkeys(STRING, "(param i32)"),
        **dict.fromkeys(ASK, "(param i32 i32 i32)"),
        **dict.fromkeys(NUMBER, "(result i32)"),
        **dict.fromkeys(SET, "(param i32 i32)"),
        **dict.fromkeys((*OPTION, *LOG), "(param i32 i32 i32)"),
        **dict.fromkeys(SET_TWO, "(param i32 i32 i32 i32)"),
        **dict.fromkeys(SET_NUMBER, "(param i32)"),
    }
    lines = []
    for function, shape in shapes.items():
        interface, name = function.split(".")
        lines.append(f'(import "sluice:filter/{interface}@0.1.0" "{name}" (func ${function} {shape}))')
    return "\n  ".join(lines)


def _dispatch() -> str:
    arguments = {
        **dict.fromkeys(STRING, "(local.get $result)"),
        **dict.fromkeys(ASK, "(local.get $a) (local.get $al) (local.get $result)"),
        **dict.fromkeys(SET, "(local.get $a) (local.get $al)"),
        **dict.fromkeys(OPTION, "(i32.const 1) (local.get $a) (local.get $al)"),
        **dict.fromkeys(SET_TWO, "(local.get $a) (local.get $al) (local.get $b) (local.get $bl)"),
        **dict.fromkeys(SET_NUMBER, "(local.get $number)"),
        **dict.fromkeys(LOG, "(local.get $number) (local.get $a) (local.get $al)"),
    }
    lines = []
    for index, function in enumerate(FUNCTIONS):
        call = f"(call ${function} {arguments.get(function, '')})"
        if function in NUMBER:
            call = f"(i32.store (local.get $result) {call})"
        # What a getter gave last: where its option is some, or where it has none.
        at = 0 if function in STRING and function != "request.query" else 4
        if function in (*STRING, *ASK):
            call += (f" (local.set $last (i32.load offset={at} (local.get $result)))"
                     f" (local.set $last-length (i32.load offset={at + 4} (local.get $result)))")  # fmt: skip
        lines.append(f"(if (i32.eq (local.get $op) (i32.const {index})) (then {call}))")
    return "\n      ".join(lines)


def _twist(number: int, then: str) -> str:
    return f"(if (i32.eq (local.get $twist) (i32.const {number})) (then {then}))"


GUEST = f"""(module
  {_imports()}
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const {_HEAP}))
  (global $broken (mut i32) (i32.const 0))
  (data (i32.const 16) "down") (data (i32.const 24) "up") (data (i32.const 32) "open")
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.eq (global.get $broken) (i32.const {ALLOCATES_OUTSIDE})) (then (return (i32.const 0x1fff8))))
    (if (i32.eq (global.get $broken) (i32.const {ALLOCATION_TRAPS})) (then (unreachable)))
    (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get 3)))
    (if (i32.gt_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536)))
      (then (drop (memory.grow (i32.const 1))))))
  (func $number (param $at i32) (result i32)
    (i32.add (i32.mul (i32.sub (i32.load8_u (local.get $at)) (i32.const 32)) (i32.const 90))
             (i32.sub (i32.load8_u offset=1 (local.get $at)) (i32.const 32))))
  (func $run (param $script i32)
    (local $calls i32) (local $at i32) (local $op i32) (local $a i32) (local $al i32) (local $b i32) (local $bl i32)
    (local $twist i32) (local $number i32) (local $result i32) (local $last i32) (local $last-length i32)
    (local.set $calls (call $number (local.get $script)))
    (local.set $at (i32.add (local.get $script) (i32.const 2)))
    (loop $next
      (if (i32.eqz (local.get $calls)) (then (return)))
      (local.set $op (call $number (local.get $at)))
      (local.set $a (i32.add (local.get $script) (call $number (i32.add (local.get $at) (i32.const 2)))))
      (local.set $al (call $number (i32.add (local.get $at) (i32.const 4))))
      (local.set $b (i32.add (local.get $script) (call $number (i32.add (local.get $at) (i32.const 6)))))
      (local.set $bl (call $number (i32.add (local.get $at) (i32.const 8))))
      (local.set $twist (call $number (i32.add (local.get $at) (i32.const 10))))
      (local.set $number (i32.shr_u (local.get $twist) (i32.const 3)))
      (local.set $twist (i32.and (local.get $twist) (i32.const 7)))
      (local.set $result (i32.const {_RESULT}))
      {_twist(NAME_OUTSIDE, "(local.set $a (i32.const 0xfffffff0)) (local.set $al (i32.const 0x20))")}
      {_twist(VALUE_OUTSIDE, "(local.set $b (i32.const 0x7fffffff))")}
      {_twist(RESULT_UNALIGNED, f"(local.set $result (i32.const {_RESULT + 1}))")}
      {_twist(RESULT_OUTSIDE, "(local.set $result (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)))")}
      {_twist(LAST, "(local.set $b (local.get $last)) (local.set $bl (local.get $last-length))")}
      (global.set $broken (local.get $twist))
      {_dispatch()}
      (global.set $broken (i32.const 0))
      (local.set $at (i32.add (local.get $at) (i32.const 12)))
      (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
      (br $next)))
  (func (export "sluice:filter/on-request@0.1.0#on-request") (result i32)
    (call $config.get (i32.const 16) (i32.const 4) (i32.const 512))
    (call $run (i32.load offset=4 (i32.const 512)))
    (i32.const 2048))
  (func (export "sluice:filter/on-response@0.1.0#on-response")
    (call $config.get (i32.const 24) (i32.const 2) (i32.const 512))
    (call $run (i32.load offset=4 (i32.const 512))))
  (func (export "sluice:filter/on-body@0.1.0#open") (result i32)
    (call $config.get (i32.const 32) (i32.const 4) (i32.const 512))
    (call $run (i32.load offset=4 (i32.const 512)))
    (i32.const 0))
  (func (export "sluice:filter/on-body@0.1.0#push") (param i32 i32) (result i32) (unreachable))
  (func (export "sluice:filter/on-body@0.1.0#finish") (result i32) (unreachable)))"""


def guest() -> bytes:
    return component(GUEST, str(WIT), "filter")
