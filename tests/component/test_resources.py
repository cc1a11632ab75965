"""Resources: the host's in the guest's hands, the guest's in the host's, and handle tables that trap."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.component import GuestResource, HostInterface, Linked, decode, link
from proxy.sandbox import Engine, Limits, Trap
from tests.component.guests import parse

HOST = parse("""(component
  (import "a:b/c@0.1.0" (instance $c
    (export "r" (type $r (sub resource)))
    (export "make" (func (param "n" u32) (result (own $r))))
    (export "show" (func (param "r" (borrow $r)) (result u32)))
    (export "eat" (func (param "r" (own $r))))))
  (alias export $c "r" (type $r))
  (alias export $c "make" (func $make))
  (alias export $c "show" (func $show))
  (alias export $c "eat" (func $eat))
  (core func $make (canon lower (func $make)))
  (core func $show (canon lower (func $show)))
  (core func $eat (canon lower (func $eat)))
  (core func $drop (canon resource.drop $r))
  (core module $m
    (import "" "make" (func $make (param i32) (result i32)))
    (import "" "show" (func $show (param i32) (result i32)))
    (import "" "eat" (func $eat (param i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "round") (param i32) (result i32)
      (local $h i32) (local $seen i32)
      (local.set $h (call $make (local.get 0)))
      (local.set $seen (call $show (local.get $h)))
      (call $drop (local.get $h))
      (local.get $seen))
    (func (export "twice") (local $h i32)
      (local.set $h (call $make (i32.const 1)))
      (call $eat (local.get $h))
      (call $eat (local.get $h)))
    (func (export "handle") (result i32) (call $make (i32.const 1)))
    (func (export "keep") (param i32))
    (func (export "let-go") (param i32) (call $drop (local.get 0)))
    (func (export "guess") (call $drop (i32.const 7))))
  (core instance $i (instantiate $m (with "" (instance
    (export "make" (func $make)) (export "show" (func $show)) (export "eat" (func $eat)) (export "drop" (func
    $drop))))))
  (alias core export $i "round" (core func $round))
  (alias core export $i "twice" (core func $twice))
  (alias core export $i "handle" (core func $handle))
  (alias core export $i "keep" (core func $keep))
  (alias core export $i "let-go" (core func $let-go))
  (alias core export $i "guess" (core func $guess))
  (func (export "round") (param "n" u32) (result u32) (canon lift (core func $round)))
  (func (export "twice") (canon lift (core func $twice)))
  (func (export "handle") (result u32) (canon lift (core func $handle)))
  (func (export "keep") (param "r" (borrow $r)) (canon lift (core func $keep)))
  (func (export "let-go") (param "r" (borrow $r)) (canon lift (core func $let-go)))
  (func (export "guess") (canon lift (core func $guess))))""")


class Thing:
    def __init__(self, number: int) -> None:
        self.number = number


@pytest.fixture
def dropped() -> list[int]:
    return []


@pytest.fixture
def linked(engine: Engine, dropped: list[int]) -> Linked:
    functions: dict[str, Any] = {
        "make": lambda data, n: Thing(n),
        "show": lambda data, thing: thing.number + 1,
        "eat": lambda data, thing: dropped.append(-thing.number),
    }
    host = HostInterface(functions, resources={"r": lambda data, thing: dropped.append(thing.number)})
    return link(decode(HOST), engine, {"a:b/c@0.1.0": host}, Limits())


def call(linked: Linked, name: str, *args: object) -> object:
    return linked.exports[""][name](linked.instantiate(None), *args)


def test_a_host_resource_is_made_lent_and_dropped(linked: Linked, dropped: list[int]) -> None:
    assert call(linked, "round", 41) == 42
    assert dropped == [41]


def test_what_was_given_away_is_gone(linked: Linked, dropped: list[int]) -> None:
    with pytest.raises(Trap, match="unknown handle index 1"):
        call(linked, "twice")
    assert dropped == [-1]


def test_handles_begin_at_one_and_cannot_be_guessed(linked: Linked) -> None:
    assert call(linked, "handle") == 1
    with pytest.raises(Trap, match="unknown handle index 7"):
        call(linked, "guess")


def test_a_borrow_must_be_dropped_before_the_call_ends(linked: Linked) -> None:
    call(linked, "let-go", Thing(1))
    with pytest.raises(Trap, match="borrow handles still remain"):
        call(linked, "keep", Thing(1))


GUEST = parse("""(component
  (core module $d (func (export "dtor") (param i32) (global.set $last (local.get 0)))
    (global $last (mut i32) (i32.const 0))
    (func (export "last") (result i32) (global.get $last)))
  (core instance $d (instantiate $d))
  (alias core export $d "dtor" (core func $dtor))
  (alias core export $d "last" (core func $last))
  (type $r (resource (rep i32) (dtor $dtor)))
  (core func $new (canon resource.new $r))
  (core func $rep (canon resource.rep $r))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "rep" (func $rep (param i32) (result i32)))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "look") (param i32) (result i32) (local.get 0))
    (func (export "take") (param i32) (result i32) (call $rep (local.get 0))))
  (core instance $i (instantiate $m (with "" (instance (export "new" (func $new)) (export "rep" (func $rep))))))
  (alias core export $i "make" (core func $make))
  (alias core export $i "look" (core func $look))
  (alias core export $i "take" (core func $take))
  (export $e "r" (type $r))
  (func (export "make") (param "n" u32) (result (own $e)) (canon lift (core func $make)))
  (func (export "look") (param "r" (borrow $e)) (result u32) (canon lift (core func $look)))
  (func (export "take") (param "r" (own $e)) (result u32) (canon lift (core func $take)))
  (func (export "last") (result u32) (canon lift (core func $last))))""")


def test_a_guest_resource_in_the_hosts_hands(engine: Engine) -> None:
    linked = link(decode(GUEST), engine, {}, Limits())
    functions = linked.exports[""]
    instance = linked.instantiate(None)
    handle = functions["make"](instance, 77)
    assert isinstance(handle, GuestResource)
    assert functions["look"](instance, handle) == 77
    assert functions["take"](instance, handle) == 77
    with pytest.raises(TypeError, match="given away already"):
        functions["take"](instance, handle)


def test_the_host_ends_a_guest_resource(engine: Engine) -> None:
    linked = link(decode(GUEST), engine, {}, Limits())
    instance = linked.instantiate(None)
    instance.drop(linked.exports[""]["make"](instance, 5))
    assert linked.exports[""]["last"](instance) == 5
