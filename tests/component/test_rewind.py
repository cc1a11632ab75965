"""Instances that were put back are as new ones, whatever was done with them; where they would not be, it is said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.component import HostInterface, Instance, Linked, decode, link
from proxy.sandbox import Engine, Limits, Memory, Trap
from tests.component.guests import ALLOCATOR, component

WIT = """
package demo:state;
interface host { resource thing; make: func() -> thing; ask: func() -> tuple<u64, u64, string>; }
interface state {
  poke: func(at: u32, value: u32);
  set: func(a: u32, b: u64, c: f32, d: f64);
  get: func() -> tuple<u32, u64, f32, f64>;
  take: func(text: string);
  store: func(kind: u32, at: u32, value: u64);
  stretch: func(kind: u32, at: u32, other: u32, count: u32);
  ask: func(at: u32);
  grow: func();
  hold: func();
  stop: func();
}
world app { import host; export state; }
"""

CORE = f"""(module
  (import "demo:state/host" "make" (func $make (result i32)))
  (import "demo:state/host" "ask" (func $ask (param i32)))
  {ALLOCATOR}
  (data (i32.const 70000) "as it was made") (data $later "given later")
  (global $a (mut i32) (i32.const 7)) (global $b (mut i64) (i64.const -7))
  (global $c (mut f32) (f32.const 0.5)) (global $d (mut f64) (f64.const -0.5))
  (func (export "demo:state/state#poke") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "demo:state/state#set") (param i32 i64 f32 f64)
    (global.set $a (local.get 0)) (global.set $b (local.get 1)) (global.set $c (local.get 2))
    (global.set $d (local.get 3)))
  (func (export "demo:state/state#get") (result i32)
    (i32.store (i32.const 64) (global.get $a)) (i64.store (i32.const 72) (global.get $b))
    (f32.store (i32.const 80) (global.get $c)) (f64.store (i32.const 88) (global.get $d)) (i32.const 64))
  (func (export "demo:state/state#take") (param i32 i32))
  (func (export "demo:state/state#ask") (param i32) (call $ask (local.get 0)))
  (func (export "demo:state/state#store") (param $kind i32) (param $at i32) (param $value i64)
    (local $number i32) (local $vector v128)
    (local.set $number (i32.wrap_i64 (local.get $value)))
    (local.set $vector (i64x2.splat (local.get $value)))
    (block $a (block $b (block $c (block $d (block $e (block $f (block $g (block $h (block $i (block $j (block $k
      (br_table $a $b $c $d $e $f $g $h $i $j $k (local.get $kind)))
      (v128.store64_lane 1 (local.get $at) (local.get $vector)) (return))
      (v128.store (local.get $at) (local.get $vector)) (return))
      (i64.store32 (local.get $at) (local.get $value)) (return))
      (i64.store16 (local.get $at) (local.get $value)) (return))
      (i64.store8 (local.get $at) (local.get $value)) (return))
      (i32.store16 (local.get $at) (local.get $number)) (return))
      (i32.store8 (local.get $at) (local.get $number)) (return))
      (f64.store (local.get $at) (f64.reinterpret_i64 (local.get $value))) (return))
      (f32.store (local.get $at) (f32.reinterpret_i32 (local.get $number))) (return))
      (i64.store (local.get $at) (local.get $value)) (return))
    (i32.store offset=8000 (i32.sub (local.get $at) (i32.const 8000)) (local.get $number)))
  (func (export "demo:state/state#stretch") (param $kind i32) (param $at i32) (param $other i32) (param $count i32)
    (block $fill (block $copy (block $init (br_table $fill $copy $init (local.get $kind)))
      (memory.init $later (local.get $at) (i32.const 0) (local.get $count)) (return))
      (memory.copy (local.get $at) (local.get $other) (local.get $count)) (return))
    (memory.fill (local.get $at) (local.get $other) (local.get $count)))
  (func (export "demo:state/state#grow") (drop (memory.grow (i32.const 1))))
  (func (export "demo:state/state#hold") (drop (call $make)))
  (func (export "demo:state/state#stop") unreachable))"""

EDGES = (0, 4096, 32768, 70_000, 65536, -4096, -32768, 0)
AT = st.one_of(
    st.integers(-2 * 65536, 2 * 65536 - 1),
    st.builds(int.__add__, st.sampled_from(EDGES), st.integers(-20, 20)),
)
"""Where something is written, from the end of the memory when it is negative: often at the edge of a card."""
WIDEST = 24
OFFSET = 0
"""The store that has an offset."""

STEPS = st.one_of(
    st.tuples(st.just("poke"), AT, st.integers(0, 2**32 - 1)),
    st.tuples(
        st.just("set"), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.floats(width=32), st.floats(),
    ),
    st.tuples(st.just("take"), st.text(max_size=50)),
    st.tuples(st.just("take"), st.integers(4000, 20_000).map("x".__mul__)),
    st.tuples(st.just("store"), AT, st.integers(0, 10), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("stretch"), AT, st.just(0), st.integers(1, 255), st.integers(0, 9000)),
    st.tuples(st.just("stretch"), AT, st.just(1), st.sampled_from([70_000, 69_000]), st.integers(0, 9000)),
    st.tuples(st.just("stretch"), AT, st.just(2), st.just(0), st.integers(0, 11)),
    st.tuples(st.just("ask"), AT),
    st.tuples(st.just("get")),
)  # fmt: skip


HOST = HostInterface(
    {"make": lambda data: object(), "ask": lambda data: (2**64 - 1, 1, "answered")},
    resources={"thing": lambda data, thing: None},
)


@pytest.fixture(scope="module", params=[2, 17, 32])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Linked:
    """With so many pages of memory."""
    path = tmp_path_factory.mktemp("wit") / "app.wit"
    path.write_text(WIT)
    data = component(
        CORE.replace('(memory (export "memory") 2)', f'(memory (export "memory") {request.param})'), str(path), "app"
    )
    return link(decode(data), engine, {"demo:state/host": HOST}, Limits(), rewinds=True)


@pytest.fixture
def instance(app: Linked) -> Iterator[Instance]:
    instance = app.instantiate(None)
    yield instance
    instance.close()


def call(app: Linked, instance: Instance, name: str, *arguments: Any) -> Any:
    return app.exports["demo:state/state"][name](instance, *arguments)


def memory(app: Linked, instance: Instance) -> bytes:
    assert app.binding.kept is not None
    (number,) = app.binding.kept[0].memories
    return bytes(Memory(instance.context, instance.address(number)).view)


def seen(app: Linked, instance: Instance) -> tuple[bytes, Any]:
    """All of its memory, then all of its globals but the allocator's, which the memory tells of."""
    return memory(app, instance), call(app, instance, "get")


def placed(step: tuple[Any, ...], size: int) -> tuple[Any, ...]:
    """The step with its place inside of a memory of this size."""
    name, *arguments = step
    if name == "poke":
        at, value = arguments
        return name, min(at % size, size - WIDEST), value
    if name == "store":
        at, kind, value = arguments
        at = min(at % size, size - WIDEST)
        return name, kind, max(at, 8000) if kind == OFFSET else at, value
    if name == "stretch":
        at, kind, other, count = arguments
        return name, kind, min(at % size, size - count), other, count
    if name == "ask":
        return name, min(arguments[0] % size, size - WIDEST) & ~7
    return step


@given(st.lists(STEPS, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_as_new(app: Linked, steps: list[tuple[Any, ...]]) -> None:
    fresh, used = app.instantiate(None), app.instantiate(None)
    size = len(memory(app, used))
    for step in steps:
        call(app, used, *placed(step, size))
    assert app.rewind(used)
    assert seen(app, used) == seen(app, fresh)
    call(app, used, "take", "x")
    call(app, fresh, "take", "x")
    assert seen(app, used) == seen(app, fresh)
    fresh.close()
    used.close()


def test_again_and_again(app: Linked, instance: Instance) -> None:
    pristine = seen(app, instance)
    for number in range(5):
        call(app, instance, "set", number, 1, 2.0, 3.0)
        call(app, instance, "poke", 100 + number, number)
        assert app.rewind(instance)
        assert seen(app, instance) == pristine
        assert app.rewind(instance)


def test_where_it_is_not_known_what_was_touched(app: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.sandbox.pages.raw.give_back", lambda address, size: False)
    instance = app.instantiate(None)
    pristine = seen(app, instance)
    for number in (5, 69_000, 2 * 65536 - 4):
        call(app, instance, "poke", number, number)
        assert app.rewind(instance)
        assert seen(app, instance) == pristine
    instance.close()


def test_in_places_that_others_had_before(app: Linked, engine: Engine, tmp_path: Path) -> None:
    others = [app.instantiate(None) for _ in range(70)]  # more than stay warm for their own module
    for other in others:
        call(app, other, "poke", 70_000, 1)
        other.close()
    (tmp_path / "app.wit").write_text(WIT)
    data = component(CORE.replace("as it was made", "otherwise"), str(tmp_path / "app.wit"), "app")
    linked = link(decode(data), engine, {"demo:state/host": HOST}, Limits(), rewinds=True)
    other = linked.instantiate(None)
    pristine = seen(linked, other)
    other.close()
    for instance in [linked.instantiate(None) for _ in range(70)]:
        call(linked, instance, "poke", 70_001, 1)
        assert linked.rewind(instance)
        assert seen(linked, instance) == pristine
        call(linked, instance, "poke", 50_000, 1)
        assert linked.rewind(instance)
        assert seen(linked, instance) == pristine
        instance.close()


@pytest.mark.parametrize("act", ["grow", "hold"])
def test_what_cannot_be_put_back_is_refused(app: Linked, instance: Instance, act: str) -> None:
    call(app, instance, act)
    assert not app.rewind(instance)


def test_what_a_trap_has_stopped_is_refused(app: Linked, instance: Instance) -> None:
    with pytest.raises(Trap):
        call(app, instance, "stop")
    assert not app.rewind(instance)


def test_a_component_that_was_not_linked_so_is_not(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "app.wit").write_text("package demo:app; world app { export run: func(); }")
    data = decode(component('(module (func (export "run")))', str(tmp_path / "app.wit"), "app"))
    plain, rewinding = link(data, engine, {}, Limits()), link(data, engine, {}, Limits(), rewinds=True)
    assert not plain.rewind(plain.instantiate(None))
    assert rewinding.rewind(rewinding.instantiate(None))


def test_a_component_whose_making_runs_code_is_not(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "app.wit").write_text("package demo:app; world app { export run: func(); }")
    core = '(module (func $f (export "run")) (start $f))'
    linked = link(decode(component(core, str(tmp_path / "app.wit"), "app")), engine, {}, Limits(), rewinds=True)
    assert not linked.rewind(linked.instantiate(None))
