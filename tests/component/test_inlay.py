"""Where functions of ours may stand in front of imports, and where they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.component import HostInterface, Inlaid, Linked, LinkError, decode, link
from proxy.component.binary.inlaying import OWN_MEMORY
from proxy.sandbox import Engine, Limits, Trap
from tests.component.guests import component, parse

WIT = """package t:t;
world w {
  import a: interface { get: func(name: string) -> string; number: func() -> u32; other: func(); }
  export run: func() -> string;
}"""

OURS = """(module
  (import "" "cabi_realloc" (func $realloc (param i32 i32 i32 i32) (result i32)))
  (import "" "memory" (memory $guest 0))
  (memory $own (export "memory") 1 1)
  (func (export "get") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (if (i32.eqz (i32.load $own (i32.const 0))) (then (return (i32.const 0))))
    (local.set $at (call $realloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4)))
    (memory.copy $guest $own (local.get $at) (i32.const 0) (i32.const 4))
    (i32.store $guest (local.get 3) (local.get $at)) (i32.store $guest offset=4 (local.get 3) (i32.const 4))
    (i32.const 1))
  (func (export "number") (result i32)
    (if (result i32) (i32.load $own (i32.const 0)) (then (i32.const 7)) (else (i32.const -1)))))"""
"""Answers with the first four bytes of its memory, once there are any."""

GUEST = """(module
  (import "a" "get" (func $get (param i32 i32 i32))) (import "a" "number" (func $number (result i32)))
  (import "a" "other" (func $other))
  (memory (export "memory") 1) (data (i32.const 8) "asked") (global $heap (mut i32) (i32.const 1024))
  (type $none (func)) (table $table 1 funcref) (elem (i32.const 0) func $other)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    {realloc}
    (global.set $heap (i32.add (global.get $heap) (local.get 3))) (i32.sub (global.get $heap) (local.get 3)))
  (func (export "cabi_post_run") (param i32) {post})
  (func $deeper {deeper})
  (func (export "run") (result i32)
    (call $get (i32.const 8) (i32.const 5) (i32.const 16))
    (i32.store8 (i32.load (i32.const 16)) (i32.add (i32.const 48) (call $number)))
    (i32.const 16)))"""


@pytest.fixture
def wit(tmp_path: Path) -> Path:
    path = tmp_path / "w.wit"
    path.write_text(WIT)
    return path


def linked(
    engine: Engine,
    wit: Path,
    code: dict[str, str] = {},  # noqa: B006
    *,
    rewinds: bool = False,
    forged: tuple[bytes, bytes] = (b"", b""),
    limits: Limits | None = None,
) -> Linked:
    """code: of the guest's functions. forged: bytes of the component, and what is there instead."""
    ours = parse(OURS)
    host = HostInterface(
        {"get": lambda data, name: f"host {name}", "number": lambda data: 1, "other": lambda data: None},
        inlaid={"get": Inlaid(ours, "get", (5,)), "number": Inlaid(ours, "number")},
    )
    core = GUEST.format(**{"realloc": "", "post": "", "deeper": ""} | code)
    data = component(core, str(wit), "w").replace(*forged)
    return link(decode(data), engine, {"a": host}, limits or Limits(), rewinds=rewinds)


@pytest.mark.parametrize("rewinds", [False, True])
def test_ours_answer_when_they_can(engine: Engine, wit: Path, rewinds: bool) -> None:
    made = linked(engine, wit, rewinds=rewinds)
    run = made.exports[""]["run"]
    instance = made.instantiate(None)
    assert run(instance) == "1ost asked"
    assert instance.inlay is not None
    instance.inlay[:4] = b"ours"
    assert run(instance) == "7urs"
    if rewinds:  # what is in our memory is the host's affair
        assert made.rewind(instance)
        assert bytes(instance.inlay[:4]) == b"ours"
        assert run(instance) == "7urs"
    instance.close()


MAY_LEAVE = {
    "realloc": "(call $other)",
    "post": "(call $other)",
    "realloc by a function of its own": "(call $deeper)",
    "realloc by a table": "(call_indirect (type $none) (i32.const 0))",
    "a tail call": "(return_call $other)",
}


@pytest.mark.parametrize("what", MAY_LEAVE)
def test_not_where_a_call_might_have_to_be_refused(engine: Engine, wit: Path, what: str) -> None:
    code = {"post" if what in ("post", "a tail call") else "realloc": MAY_LEAVE[what], "deeper": "(call $other)"}
    made = linked(engine, wit, code)
    instance = made.instantiate(None)
    assert instance.inlay is None
    with pytest.raises(Trap, match="cannot leave component instance"):
        made.exports[""]["run"](instance)
    instance.close()


def test_a_call_that_is_not_made_is_one_that_might_be(engine: Engine, wit: Path) -> None:
    made = linked(engine, wit, {"realloc": "(if (i32.const 0) (then (call $other)))"})
    instance = made.instantiate(None)
    assert instance.inlay is None
    assert made.exports[""]["run"](instance) == "1ost asked"
    instance.close()


def test_not_where_the_code_is_not_understood(engine: Engine, wit: Path) -> None:
    made = linked(engine, wit, {"deeper": "(table.set $table (i32.const 0) (ref.null func))"})
    instance = made.instantiate(None)
    assert instance.inlay is None
    instance.close()


def test_a_function_of_the_guest_in_a_table_still_calls_the_import_itself(engine: Engine, wit: Path) -> None:
    made = linked(engine, wit, {"deeper": "(call_indirect (type $none) (i32.const 0))"})
    instance = made.instantiate(None)
    assert instance.inlay is not None
    instance.close()


REACHES = {
    "the memory": ("(drop (memory.size))", b"\x3f\x00\x1a", b"\x3f\x01\x1a"),
    "a function": ("(drop (call $number))", b"\x10\x01\x1a", b"\x10\x08\x1a"),
}


@pytest.mark.parametrize("what", REACHES)
def test_a_guest_that_reaches_for_ours_is_not_valid(engine: Engine, wit: Path, what: str) -> None:
    """With ours in it, it would be."""
    code, written, forged = REACHES[what]
    mark = b"\x41\x2a\x1a"
    deeper = {"deeper": f"(drop (i32.const 42)) {code}"}
    linked(engine, wit, deeper).close()
    with pytest.raises(LinkError):
        linked(engine, wit, deeper, forged=(mark + written, mark + forged))


def test_the_limit_of_memory_is_the_guests_alone(engine: Engine, wit: Path) -> None:
    made = linked(engine, wit, {"deeper": "(drop (memory.grow (i32.const 1)))"})
    assert made.inlays
    assert made.binding.memories == 1


def test_not_where_memory_is_scarce(engine: Engine, wit: Path) -> None:
    assert not linked(engine, wit, limits=Limits(memory=1 << 16)).inlays


def test_a_module_that_has_the_name_is_left_alone(engine: Engine, wit: Path) -> None:
    made = linked(engine, wit, {"deeper": f') (func (export "{OWN_MEMORY}")'})
    assert not made.inlays


VERDICTS = """package t:t;
world w {
  import a: interface { number: func() -> u32; }
  variant verdict { next, reply(string), other(u64) }
  export run: func() -> verdict;
  export count: func() -> u32;
}"""

RETURNS = """(module
  (import "a" "number" (func $number (result i32)))
  (memory (export "memory") 1) (data (i32.const 8) "said")
  (data (i32.const 64) "\\00") (data (i32.const 80) "\\01\\00\\00\\00\\00\\00\\00\\00\\08\\00\\00\\00\\04")
  (data (i32.const 96) "\\03")
  (global $returned (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (unreachable))
  (func (export "cabi_post_run") (param i32)
    (if (i32.eq (local.get 0) (i32.const 128)) (then (unreachable)))
    (global.set $returned (i32.add (global.get $returned) (local.get 0))))
  (func (export "count") (result i32) (global.get $returned))
  (func (export "run") (result i32) (call $number)))"""
"""Gives what it is told as the address of its verdict."""

ADDRESSES = {"next": 64, "a reply": 80, "no case": 96, "post-return traps": 128, "unaligned": 66, "too high": 65528,
             "fits": 65520, "outside": 65536, "far outside": 0xFFFF_FFF8, "minus one": 0xFFFF_FFFF}  # fmt: skip


@pytest.mark.parametrize("what", ADDRESSES)
def test_a_result_and_its_post_return_are_what_they_are_apart(engine: Engine, wit: Path, what: str) -> None:
    wit.write_text(VERDICTS)
    data = decode(component(RETURNS, str(wit), "w"))
    ends = []
    for inlaid in ({"number": Inlaid(parse(OURS), "number")}, {}):
        host = HostInterface({"number": lambda data: ADDRESSES[what]}, inlaid=inlaid)
        made = link(data, engine, {"a": host}, Limits())
        assert made.inlays == bool(inlaid)
        instance = made.instantiate(None)
        try:
            ends.append((made.exports[""]["run"](instance), made.exports[""]["count"](instance)))
        except Trap as trap:
            ends.append((trap.kind, str(trap)))
        instance.close()
    assert ends[0] == ends[1]
    if what in ("next", "a reply", "fits"):
        assert ends[0][1] == ADDRESSES[what]
