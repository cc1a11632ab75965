"""What a guest may get wrong: each `trap_if` of the canonical ABI ends the call with a Trap of kind ABI."""

from __future__ import annotations

import pytest

from proxy.component import HostInterface, decode, link
from proxy.sandbox import Engine, Limits, Trap, TrapKind
from tests.component.guests import parse


def returns(kind: str, body: str, *, types: str = "", encoding: str = "utf8") -> bytes:
    """A component whose `f` returns what is at address 16; `body` puts it there."""
    return parse(f"""(component
      {types}
      (type $f (func (result {kind})))
      (core module $m (memory (export "memory") 1)
        (func (export "f") (result i32) {body} (i32.const 16)))
      (core instance $i (instantiate $m))
      (alias core export $i "memory" (core memory $mem))
      (alias core export $i "f" (core func $core))
      (func (export "f") (type $f) (canon lift (core func $core) (memory $mem) string-encoding={encoding})))""")


def pair(pointer: int, length: int) -> str:
    return f"(i32.store (i32.const 16) (i32.const {pointer})) (i32.store (i32.const 20) (i32.const {length}))"


def trapped(engine: Engine, data: bytes, **limits: int) -> Trap:
    linked = link(decode(data), engine, {}, Limits(**limits))
    instance = linked.instantiate(None)
    with pytest.raises(Trap) as caught:
        linked.exports[""]["f"](instance)
    with pytest.raises(RuntimeError, match="stopped by a trap"):
        linked.exports[""]["f"](instance)
    instance.close()
    return caught.value


OUTSIDE = "outside of the guest's memory of 65536 bytes"
BAD_RESULTS = [
    (returns("string", pair(65530, 100)), OUTSIDE),
    (returns("string", pair(-1, 1)), OUTSIDE),
    (returns("string", pair(0, -1)), "string too long"),
    (returns("string", pair(32, 1) + "(i32.store8 (i32.const 32) (i32.const 255))"), "string is not valid"),
    (returns("string", pair(32, 3) + "(i32.store (i32.const 32) (i32.const 0x80a0ed))"), "string is not valid"),
    (returns("string", pair(33, 1), encoding="utf16"), "unaligned string"),
    (returns("string", pair(32, 1) + "(i32.store16 (i32.const 32) (i32.const 0xd800))", encoding="utf16"), "not valid"),
    (returns("string", pair(32, -2147483647), encoding="latin1+utf16"), None),
    (returns("$l", pair(65535, 2), types="(type $l (list u8))"), OUTSIDE),
    (returns("$l", pair(2, 2), types="(type $l (list u32))"), "unaligned list"),
    (returns("$l", pair(0, 0x10000000), types="(type $l (list u64))"), "list too long"),
    (
        returns("$o", "(i32.store8 (i32.const 16) (i32.const 2))", types="(type $o (option u32))"),
        "invalid discriminant",
    ),
    (
        returns("$r", "(i32.store8 (i32.const 16) (i32.const 9))", types="(type $r (result u32 (error u32)))"),
        "invalid discriminant",
    ),
    (
        returns(
            "$t",
            "(i32.store8 (i32.const 16) (i32.const 3))",
            types='(type $n (enum "a" "b" "c")) (import "e" (type $e (eq $n))) (type $t (tuple $e u8))',
        ),
        "invalid discriminant",
    ),
    (
        returns("$t", "(i32.store (i32.const 16) (i32.const 0x110000))", types="(type $t (tuple char u8))"),
        "invalid char",
    ),
    (returns("$t", "(i32.store (i32.const 16) (i32.const 0xdc00))", types="(type $t (tuple char u8))"), "invalid char"),
    (returns("$t", "(return (i32.const 18))", types="(type $t (tuple u32 u32))"), "unaligned pointer"),
    (returns("$t", "(return (i32.const 65532))", types="(type $t (tuple u32 u32))"), OUTSIDE),
]


@pytest.mark.parametrize(("data", "message"), BAD_RESULTS, ids=range(len(BAD_RESULTS)))
def test_bad_results(engine: Engine, data: bytes, message: str | None) -> None:
    if message is None:  # a tagged length of one code unit is fine
        linked = link(decode(data), engine, {}, Limits())
        assert linked.exports[""]["f"](linked.instantiate(None)) == "\0"
        return
    trap = trapped(engine, data)
    assert trap.kind is TrapKind.ABI
    assert message in trap.message


def test_what_a_guest_makes_the_host_build_is_bounded(engine: Engine) -> None:
    """A list of a thousand strings that are all the same stretch of memory."""
    body = f"""(local $n i32)
      {pair(0x7000, 0x370)}
      (loop
        (i32.store offset=0x7004 (i32.mul (local.get $n) (i32.const 8)) (i32.const 0x6f00))
        (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 0x370))))"""
    trap = trapped(engine, returns("$l", body, types="(type $l (list string))"), memory=1 << 20)
    assert "take more memory than the instance may use" in trap.message


def test_exceptions_that_a_guest_keeps_count_as_its_memory(engine: Engine) -> None:
    text = """(component
      (core module $m (tag $t (param i64 i64)) (table $kept 19000 exnref) (global $n (mut i32) (i32.const 0))
        (func (export "f") (local exnref)
          (loop $l
            (block $caught (result exnref)
              (try_table (catch_all_ref $caught) (throw $t (i64.const 1) (i64.const 2)))
              unreachable)
            (local.set 0)
            (table.set $kept (global.get $n) (local.get 0))
            (global.set $n (i32.rem_u (i32.add (global.get $n) (i32.const 1)) (i32.const 19000)))
            (br $l))))
      (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "f"))))"""
    assert "out of memory" in trapped(engine, parse(text), memory=1 << 19).message


REALLOC = """(component
  (core module $m (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc})
    (func (export "f") (param i32 i32)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "realloc" (core func $realloc))
  (alias core export $i "f" (core func $core))
  (type $l (list u32))
  (func (export "f") (param "x" $l) (canon lift (core func $core) (memory $mem) (realloc $realloc))))"""


@pytest.mark.parametrize(
    ("realloc", "kind", "message"),
    [
        ("i32.const 2", TrapKind.ABI, "not aligned"),
        ("i32.const 65532", TrapKind.ABI, "outside of the guest's memory"),
        ("i32.const -4", TrapKind.ABI, "outside of the guest's memory"),
        ("unreachable", TrapKind.UNREACHABLE, "unreachable"),
        ("(loop br 0) i32.const 0", TrapKind.TIMEOUT, "time limit"),
    ],
)
def test_bad_reallocs(engine: Engine, realloc: str, kind: TrapKind, message: str) -> None:
    linked = link(decode(parse(REALLOC.format(realloc=realloc))), engine, {}, Limits(time=0.02))
    instance = linked.instantiate(None)
    with pytest.raises(Trap, match=message) as caught:
        linked.exports[""]["f"](instance, [1, 2, 3])
    assert caught.value.kind is kind


MANY = [
    ("i32.const 70000", "outside of the guest's memory"),
    ("unreachable", "unreachable"),
    ("(loop br 0) i32.const 0", "time limit"),
    ("(local.get 3) (if (i32.eq (i32.const 1)) (then unreachable)) i32.const 0", "unreachable"),
]


@pytest.mark.parametrize(("realloc", "message"), MANY, ids=[message for _, message in MANY])
def test_bad_reallocs_of_many_strings(engine: Engine, realloc: str, message: str) -> None:
    data = parse(REALLOC.format(realloc=realloc).replace("(list u32)", "(list string)"))
    linked = link(decode(data), engine, {}, Limits(time=0.02))
    with pytest.raises(Trap, match=message):
        linked.exports[""]["f"](linked.instantiate(None), ["a"] * 40)


LEAVING = """(component
  (import "go" (func $go))
  (core func $go (canon lower (func $go)))
  (core module $m (import "" "go" (func $go)) (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) {realloc} i32.const 0)
    (func (export "f") (param i32 i32) (result i32) {f} i32.const 0)
    (func (export "post") (param i32) {post}))
  (core instance $i (instantiate $m (with "" (instance (export "go" (func $go))))))
  (alias core export $i "memory" (core memory $mem))
  (alias core export $i "realloc" (core func $realloc))
  (alias core export $i "f" (core func $core))
  (alias core export $i "post" (core func $post))
  (func (export "f") (param "x" string) (result u32)
    (canon lift (core func $core) (memory $mem) (realloc $realloc) (post-return $post))))"""


@pytest.mark.parametrize(("where", "leaves"), [("realloc", False), ("f", True), ("post", False)])
def test_realloc_and_post_return_may_not_call_imports(engine: Engine, where: str, leaves: bool) -> None:
    text = LEAVING.format(**{name: "call $go" if name == where else "" for name in ("realloc", "f", "post")})
    called: list[object] = []
    linked = link(decode(parse(text)), engine, {"": HostInterface({"go": called.append})}, Limits())
    instance = linked.instantiate("data")
    if leaves:
        assert linked.exports[""]["f"](instance, "x") == 0
        assert called == ["data"]
    else:
        with pytest.raises(Trap, match="cannot leave component instance"):
            linked.exports[""]["f"](instance, "x")
        assert called == []


def test_an_exception_of_a_host_function_is_the_cause(engine: Engine) -> None:
    def go(data: object) -> None:
        raise KeyError("missing")

    text = LEAVING.format(realloc="", f="call $go", post="")
    linked = link(decode(parse(text)), engine, {"": HostInterface({"go": go})}, Limits())
    instance = linked.instantiate(None)
    with pytest.raises(Trap, match="KeyError: 'missing'") as caught:
        linked.exports[""]["f"](instance, "x")
    assert caught.value.kind is TrapKind.HOST
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_host_function_that_returns_another_type_is_the_hosts_fault(engine: Engine) -> None:
    data = parse("""(component
      (import "n" (func $n (result u8)))
      (core func $n (canon lower (func $n)))
      (core module $m (import "" "n" (func $n (result i32))) (func (export "f") (result i32) call $n))
      (core instance $i (instantiate $m (with "" (instance (export "n" (func $n))))))
      (alias core export $i "f" (core func $core))
      (func (export "f") (result u8) (canon lift (core func $core))))""")
    linked = link(decode(data), engine, {"": HostInterface({"n": lambda data: 300})}, Limits())
    with pytest.raises(Trap, match="300 is not a u8") as caught:
        linked.exports[""]["f"](linked.instantiate(None))
    assert caught.value.kind is TrapKind.HOST


def test_an_interrupt_is_not_made_a_trap(engine: Engine) -> None:
    def go(data: object) -> None:
        raise KeyboardInterrupt

    text = LEAVING.format(realloc="", f="call $go", post="")
    linked = link(decode(parse(text)), engine, {"": HostInterface({"go": go})}, Limits())
    with pytest.raises(KeyboardInterrupt):
        linked.exports[""]["f"](linked.instantiate(None), "x")


def test_an_instance_is_not_entered_twice(engine: Engine) -> None:
    def go(data: object) -> None:
        linked.exports[""]["f"](instance, "again")

    text = LEAVING.format(realloc="", f="call $go", post="")
    linked = link(decode(parse(text)), engine, {"": HostInterface({"go": go})}, Limits())
    instance = linked.instantiate(None)
    with pytest.raises(Trap) as caught:
        linked.exports[""]["f"](instance, "x")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_one_instance_may_call_another_of_the_same_component(engine: Engine) -> None:
    def go(data: object) -> None:
        if data == "outer":
            linked.exports[""]["f"](inner, "x")
        seen.append(data)

    seen: list[object] = []
    text = LEAVING.format(realloc="", f="call $go", post="")
    linked = link(decode(parse(text)), engine, {"": HostInterface({"go": go})}, Limits())
    inner, outer = linked.instantiate("inner"), linked.instantiate("outer")
    linked.exports[""]["f"](outer, "x")
    assert seen == ["inner", "outer"]


def test_a_closed_instance_is_not_called(engine: Engine) -> None:
    linked = link(
        decode(parse(LEAVING.format(realloc="", f="", post=""))), engine, {"": HostInterface({"go": print})}, Limits()
    )
    instance = linked.instantiate(None)
    instance.close()
    instance.close()
    with pytest.raises(RuntimeError, match="closed"):
        linked.exports[""]["f"](instance, "x")
