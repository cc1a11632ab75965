"""Linking: what a component imports against what the host offers, and the shapes that toolchains make."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.component import HostInterface, Instance, LinkError, decode, link
from proxy.component import types as t
from proxy.component.shims import elide
from proxy.component.versions import compatible
from proxy.sandbox import Engine, Limits, PoolExhausted, Trap, TrapKind
from tests.component.guests import ALLOCATOR, BUILT, component, parse

WIT = """
package demo:app@0.2.1;
interface text { shout: func(what: string) -> string; count: func(what: string) -> u32; }
interface run { run: func(what: string) -> string; }
world app { import text; export run; }
"""

CORE = f"""(module {ALLOCATOR}
  (import "demo:app/text@0.2.1" "shout" (func $shout (param i32 i32 i32)))
  (import "demo:app/text@0.2.1" "count" (func $count (param i32 i32) (result i32)))
  (func (export "demo:app/run@0.2.1#run") (param i32 i32) (result i32)
    (drop (call $count (local.get 0) (local.get 1)))
    (call $shout (local.get 0) (local.get 1) (i32.const 1024))
    (i32.const 1024)))"""

SHOUT = t.FuncType((("what", t.STRING),), t.STRING)
COUNT = t.FuncType((("what", t.STRING),), t.U32)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("wit") / "app.wit"
    path.write_text(WIT)
    # wasm-tools wants imports before memories.
    imports = [line for line in CORE.splitlines() if "(import" in line]
    rest = [line for line in CORE.splitlines() if "(import" not in line]
    return component(
        "\n".join([rest[0].replace("(module", "(module " + " ".join(imports)), *rest[1:]]), str(path), "app"
    )


def host(**changes: object) -> HostInterface:
    functions = {"shout": lambda data, what: what.upper(), "count": lambda data, what: len(what)}
    types = {"shout": SHOUT, "count": COUNT}
    types.update({name: kind for name, kind in changes.items() if isinstance(kind, t.FuncType)})
    return HostInterface({name: functions[name] for name in functions if changes.get(name) != "missing"}, types)


def run(engine: Engine, app: bytes, imports: dict[str, HostInterface]) -> object:
    linked = link(decode(app), engine, imports, Limits())
    instance = linked.instantiate(None)
    return linked.exports["demo:app/run@0.2.1"]["run"](instance, "hey")


def test_runs(engine: Engine, app: bytes) -> None:
    assert run(engine, app, {"demo:app/text@0.2.1": host()}) == "HEY"


@pytest.mark.parametrize("version", ["0.2.0", "0.2.1", "0.2.9"])
def test_a_compatible_version_serves(engine: Engine, app: bytes, version: str) -> None:
    assert run(engine, app, {f"demo:app/text@{version}": host()}) == "HEY"


REFUSED = [
    ({}, "imports demo:app/text@0.2.1, which this host does not offer"),
    ({"demo:app/text@0.3.0": host()}, "imports demo:app/text@0.2.1, which demo:app/text@0.3.0 of this host cannot"),
    ({"demo:app/text@0.2.1": host(count="missing")}, "imports demo:app/text@0.2.1#count, which this host does not"),
    (
        {"demo:app/text@0.2.1": host(count=t.FuncType((("what", t.STRING),), t.U64))},
        "text@0.2.1#count as another type than the host's: the result is u32, not u64",
    ),
    (
        {"demo:app/text@0.2.1": host(count=t.FuncType((("it", t.STRING),), t.U32))},
        "a parameter is called 'what', not 'it'",
    ),
    ({"demo:app/text@0.2.1": host(count=t.FuncType((), t.U32))}, "1 parameters, not 0"),
]


@pytest.mark.parametrize(("imports", "message"), REFUSED, ids=[message[:40] for _, message in REFUSED])
def test_what_does_not_fit_is_named(
    engine: Engine, app: bytes, imports: dict[str, HostInterface], message: str
) -> None:
    with pytest.raises(LinkError, match=message):
        link(decode(app), engine, imports, Limits())


@pytest.mark.parametrize(
    ("wanted", "offered", "found"),
    [
        ("a:b/c", ["a:b/c"], "a:b/c"),
        ("a:b/c@1.2.3", ["a:b/c@1.9.0"], "a:b/c@1.9.0"),
        ("a:b/c@1.2.3", ["a:b/c@2.0.0"], None),
        ("a:b/c@0.2.3", ["a:b/c@0.3.0", "a:b/c@0.2.0"], "a:b/c@0.2.0"),
        ("a:b/c@0.0.3", ["a:b/c@0.0.4"], None),
        ("a:b/c@0.3.0-rc-1", ["a:b/c@0.3.0"], None),
        ("a:b/c@0.3.0-rc-1", ["a:b/c@0.3.0-rc-1"], "a:b/c@0.3.0-rc-1"),
        ("a:b/c@1.0.0", ["a:b/c"], None),
        ("a:b/c", ["a:b/c@1.0.0"], None),
    ],
)
def test_versions(wanted: str, offered: list[str], found: str | None) -> None:
    assert compatible(wanted, offered) == found


def test_shim_and_fixup_are_left_out(app: bytes) -> None:
    plan = decode(app).plan
    elided = elide(plan)
    assert len(plan.core_instances) == 3
    assert len(elided.gone) == 2


def test_a_shim_that_is_not_one_is_run(engine: Engine, app: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pattern is not recognised the modules are instantiated for real: a table, and calls through it."""
    monkeypatch.setattr("proxy.component.shims.as_shim", lambda data: None)
    assert run(engine, app, {"demo:app/text@0.2.1": host()}) == "HEY"


@pytest.mark.parametrize("path", BUILT, ids=lambda path: path.stem)
def test_shipped_filters_need_no_shims(path: object) -> None:
    plan = decode(path.read_bytes()).plan  # type: ignore[attr-defined]
    assert len(plan.core_instances) - len(elide(plan).gone) == 1


NESTED = parse(f"""(component
  (import "log" (func $log (param "what" string)))
  (component $inner
    (import "log" (func $log (param "what" string)))
    (core module $libc {ALLOCATOR})
    (core instance $libc (instantiate $libc))
    (core func $log (canon lower (func $log) (memory (core memory $libc "memory")) (realloc (core func $libc
    "cabi_realloc")))) (core module $m
      (import "" "log" (func $log (param i32 i32)))
      (import "libc" "memory" (memory 1))
      (func (export "twice") (param i32 i32) (result i32)
        (call $log (local.get 0) (local.get 1))
        (i32.store (i32.const 512) (local.get 0))
        (i32.store (i32.const 516) (local.get 1))
        (i32.const 512)))
    (core instance $m (instantiate $m (with "" (instance (export "log" (func $log)))) (with "libc" (instance $libc))))
    (func (export "twice") (param "what" string) (result string)
      (canon lift (core func $m "twice") (memory (core memory $libc "memory")) (realloc (core func $libc
      "cabi_realloc")))))
  (instance $one (instantiate $inner (with "log" (func $log))))
  (instance $two (instantiate $inner (with "log" (func $log))))
  (component $user
    (import "one" (func $one (param "what" string) (result string)))
    (import "two" (func $two (param "what" string) (result string)))
    (core module $libc {ALLOCATOR})
    (core instance $libc (instantiate $libc))
    (core func $one (canon lower (func $one) (memory (core memory $libc "memory")) (realloc (core func $libc
    "cabi_realloc")))) (core func $two (canon lower (func $two) string-encoding=utf16
      (memory (core memory $libc "memory")) (realloc (core func $libc "cabi_realloc"))))
    (core module $main
      (import "" "one" (func $one (param i32 i32 i32)))
      (import "libc" "memory" (memory 1))
      (func (export "run") (param i32 i32) (result i32)
        (call $one (local.get 0) (local.get 1) (i32.const 512))
        (i32.const 512)))
    (core instance $main (instantiate $main (with "" (instance (export "one" (func $one)))) (with "libc" (instance
    $libc)))) (func (export "run") (param "what" string) (result string)
      (canon lift (core func $main "run") (memory (core memory $libc "memory")) (realloc (core func $libc
      "cabi_realloc")))))
  (instance $user (instantiate $user (with "one" (func $one "twice")) (with "two" (func $two "twice"))))
  (export "run" (func $user "run")))""")


def test_components_in_components_call_each_other(engine: Engine) -> None:
    logged: list[str] = []
    linked = link(
        decode(NESTED), engine, {"": HostInterface({"log": lambda data, what: logged.append(what)})}, Limits()
    )
    instance = linked.instantiate(None)
    assert linked.exports[""]["run"](instance, "\u00fcber") == "\u00fcber"
    assert logged == ["\u00fcber"]


RELATIVES = """(component
  (component $child
    (core module $m (func (export "f")))
    (core instance $i (instantiate $m))
    (func (export "f") (canon lift (core func $i "f"))))
  (instance $child (instantiate $child))
  (core func $f (canon lower (func $child "f")))
  (core module $m (import "" "f" (func $f)) (func (export "g") (call $f)))
  (core instance $i (instantiate $m (with "" (instance (export "f" (func $f))))))
  (func (export "g") (canon lift (core func $i "g"))))"""


def test_a_component_does_not_enter_its_parts(engine: Engine) -> None:
    """Not yet: the reference tests have it trap, as what would be reentrance is still open."""
    linked = link(decode(parse(RELATIVES)), engine, {}, Limits())
    with pytest.raises(Trap, match="cannot enter component instance"):
        linked.exports[""]["g"](linked.instantiate(None))


LIFTED_AGAIN = """(component
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (export $t "t" (type $r))
  (func (export "make") (param "rep" u32) (result (own $t)) (canon lift (core func $new)))
  (import "log" (func $log (param "code" u32)))
  (core func $log' (canon lower (func $log)))
  (func (export "log-again") (param "code" u32) (canon lift (core func $log'))))"""


def test_built_ins_and_lowered_functions_can_be_lifted(engine: Engine) -> None:
    logged: list[int] = []
    hosts = {"": HostInterface({"log": lambda data, code: logged.append(code)})}
    linked = link(decode(parse(LIFTED_AGAIN)), engine, hosts, Limits())
    instance = linked.instantiate(None)
    made = linked.exports[""]["make"](instance, 7)
    assert (made.representation, made.owned) == (7, True)
    linked.exports[""]["log-again"](instance, 9)
    assert logged == [9]


MISTYPED = """(component
  (core module $m (memory (export "memory") 1) (func (export "f") {signature} unreachable)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
  (core instance $i (instantiate $m))
  (func (export "f") (param "s" string) (result u32)
    (canon lift (core func $i "f") (memory (core memory $i "memory")) (realloc (core func $i "realloc")))))"""


@pytest.mark.parametrize(
    "signature", ["", "(param i32)", "(param i32 i64) (result i32)", "(param i32 i32) (result f32)"]
)
def test_core_functions_of_another_type_are_never_called(engine: Engine, signature: str) -> None:
    with pytest.raises(LinkError, match=r"lowered (parameter|result) types .* do not match"):
        link(decode(parse(MISTYPED.format(signature=signature))), engine, {}, Limits())


def test_too_much_memory_at_the_start_is_refused(engine: Engine) -> None:
    data = parse("""(component (core module $m (memory 100)) (core instance (instantiate $m)))""")
    with pytest.raises(LinkError, match="starts with 6553600 bytes of memory; its limit is 1048576"):
        link(decode(data), engine, {}, Limits(memory=1 << 20))


def test_two_memories_share_the_limit(engine: Engine) -> None:
    data = parse(
        """(component (core module $m (memory 10)) (core instance (instantiate $m)) (core instance (instantiate $m)))"""
    )
    link(decode(data), engine, {}, Limits(memory=20 << 16))
    with pytest.raises(LinkError, match="shared by 2 memories"):
        link(decode(data), engine, {}, Limits(memory=19 << 16))


STARTING = """(component
  (import "go" (func $go))
  (core func $go (canon lower (func $go)))
  (core module $m (import "" "go" (func $go)) (func $start {body}) (start $start))
  (core instance (instantiate $m (with "" (instance (export "go" (func $go)))))))"""


def test_a_start_function_runs_at_instantiation(engine: Engine) -> None:
    called: list[object] = []
    linked = link(
        decode(parse(STARTING.format(body="call $go"))), engine, {"": HostInterface({"go": called.append})}, Limits()
    )
    linked.instantiate("this one").close()
    assert called == ["this one"]


@pytest.mark.parametrize(("body", "kind"), [("unreachable", TrapKind.UNREACHABLE), ("(loop br 0)", TrapKind.TIMEOUT)])
def test_a_start_function_can_fail(engine: Engine, body: str, kind: TrapKind) -> None:
    data = parse(STARTING.format(body=body))
    linked = link(decode(data), engine, {"": HostInterface({"go": lambda data: None})}, Limits(time=0.02))
    with pytest.raises(Trap) as trapped:
        linked.instantiate(None)
    assert trapped.value.kind is kind


def test_a_start_function_that_calls_an_import_too_early(engine: Engine, tmp_path: Path) -> None:
    """With the shim left out the call gets through, but the memory it needs is not there yet."""
    path = tmp_path / "app.wit"
    path.write_text(WIT)
    imports = [line for line in CORE.splitlines() if "(import" in line]
    rest = [line for line in CORE.splitlines() if "(import" not in line]
    start = "(func $early (call $shout (i32.const 0) (i32.const 0) (i32.const 0))) (start $early)"
    core = "\n".join(["(module", *imports, *rest[1:-1], rest[-1][:-1], start, ")"])
    linked = link(decode(component(core, str(path), "app")), engine, {"demo:app/text@0.2.1": host()}, Limits())
    with pytest.raises(Trap, match="before it is there"):
        linked.instantiate(None)


def test_more_instances_than_the_pool_has_room_for(engine: Engine) -> None:
    data = parse("""(component (core module $m (memory 1) (func (export "f"))) (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "f"))))""")
    linked = link(decode(data), engine, {}, Limits())
    alive: list[Instance] = []

    def fill() -> None:
        while True:
            alive.append(linked.instantiate(None))

    with pytest.raises(PoolExhausted, match="too many instances are alive"):
        fill()
    assert len(alive) >= 1000
    for instance in alive:
        instance.close()
    linked.instantiate(None).close()


def test_error_contexts_are_refused_by_the_engine(engine: Engine) -> None:
    """wasmtime's C API has no switch for them: with one, their built-ins can come."""
    guest = "(component (core func (canon error-context.drop)))"
    with pytest.raises(LinkError, match="requires the component model error-context feature"):
        link(decode(parse(guest)), engine, {}, Limits())
