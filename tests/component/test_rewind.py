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
interface host { resource thing; make: func() -> thing; }
interface state {
  poke: func(at: u32, value: u32);
  set: func(a: u32, b: u64, c: f32, d: f64);
  get: func() -> tuple<u32, u64, f32, f64>;
  take: func(text: string);
  grow: func();
  hold: func();
  stop: func();
}
world app { import host; export state; }
"""

CORE = f"""(module
  (import "demo:state/host" "make" (func $make (result i32)))
  {ALLOCATOR}
  (data (i32.const 70000) "as it was made")
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
  (func (export "demo:state/state#grow") (drop (memory.grow (i32.const 1))))
  (func (export "demo:state/state#hold") (drop (call $make)))
  (func (export "demo:state/state#stop") unreachable))"""

AT = st.one_of(st.integers(0, 2 * 65536 - 4), st.sampled_from([0, 4092, 4096, 69_998, 70_000, 2 * 65536 - 4]))
STEPS = st.one_of(
    st.tuples(st.just("poke"), AT, st.integers(0, 2**32 - 1)),
    st.tuples(
        st.just("set"), st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1), st.floats(width=32), st.floats(),
    ),
    st.tuples(st.just("take"), st.text(max_size=50)),
    st.tuples(st.just("get")),
)  # fmt: skip


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Linked:
    path = tmp_path_factory.mktemp("wit") / "app.wit"
    path.write_text(WIT)
    host = HostInterface({"make": lambda data: object()}, resources={"thing": lambda data, thing: None})
    data = component(CORE, str(path), "app")
    return link(decode(data), engine, {"demo:state/host": host}, Limits(), rewinds=True)


@pytest.fixture
def instance(app: Linked) -> Iterator[Instance]:
    instance = app.instantiate(None)
    yield instance
    instance.close()


def call(app: Linked, instance: Instance, name: str, *arguments: Any) -> Any:
    return app.exports["demo:state/state"][name](instance, *arguments)


def seen(app: Linked, instance: Instance) -> tuple[bytes, Any]:
    """All of its memory, then all of its globals but the allocator's, which the memory tells of."""
    assert app.binding.kept is not None
    (number,) = app.binding.kept[0].memories
    memory = bytes(Memory(instance.context, instance.address(number)).view)
    return memory, call(app, instance, "get")


@given(st.lists(STEPS, max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_as_new(app: Linked, steps: list[tuple[Any, ...]]) -> None:
    fresh, used = app.instantiate(None), app.instantiate(None)
    for name, *arguments in steps:
        call(app, used, name, *arguments)
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
