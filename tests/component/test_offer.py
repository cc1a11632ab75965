"""What an instance of one component exports, imported by another component."""

from __future__ import annotations

import pytest

from proxy.component import LinkError, decode, link
from proxy.sandbox import Engine, Limits
from tests.component.guests import parse

COUNTER = """(component
  (core module $m
    (global $dropped (mut i32) (i32.const 0))
    (func (export "value") (param i32) (result i32) (local.get 0))
    (func (export "end") (param i32) (global.set $dropped (local.get 0)))
    (func (export "dropped") (result i32) (global.get $dropped)))
  (core instance $i (instantiate $m))
  (type $resource (resource (rep i32) (dtor (core func $i "end"))))
  (export $counter "counter" (type $resource))
  (core func $new (canon resource.new $resource))
  (func (export "[constructor]counter") (param "value" u32) (result (own $counter)) (canon lift (core func $new)))
  (func (export "[method]counter.value") (param "self" (borrow $counter)) (result u32)
    (canon lift (core func $i "value")))
  (func (export "dropped") (result u32) (canon lift (core func $i "dropped")))
  (core module $adder (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (export "adder" (core module $adder)))"""

USER = """(component
  (import "lib" (instance $lib
    (export "counter" (type $counter (sub resource)))
    (export "[constructor]counter" (func (param "value" {value}) (result (own $counter))))
    (export "[method]counter.value" (func (param "self" (borrow $counter)) (result u32)))
    (export "adder" (core module (export "add" (func (param i32 i32) (result i32)))))))
  (alias export $lib "counter" (type $counter))
  (alias export $lib "adder" (core module $adder))
  (core func $new (canon lower (func $lib "[constructor]counter")))
  (core func $value (canon lower (func $lib "[method]counter.value")))
  (core func $drop (canon resource.drop $counter))
  (core instance $sum (instantiate $adder))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "value" (func $value (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (import "sum" "add" (func $add (param i32 i32) (result i32)))
    (func (export "run") (result i32) (local $one i32) (local $two i32) (local $sum i32)
      (local.set $one (call $new (i32.const 40)))
      (local.set $two (call $new (i32.const 2)))
      (local.set $sum (call $add (call $value (local.get $one)) (call $value (local.get $two))))
      (call $drop (local.get $two))
      (local.get $sum)))
  (core instance $i (instantiate $m
    (with "sum" (instance $sum))
    (with "" (instance (export "new" (func $new)) (export "value" (func $value)) (export "drop" (func $drop))))))
  (func (export "run") (result u32) (canon lift (core func $i "run"))))"""


def test_resources_and_core_modules_of_another_component(engine: Engine) -> None:
    library = link(decode(parse(COUNTER)), engine, {}, Limits())
    offering = library.instantiate(None)
    user = link(decode(parse(USER.format(value="u32"))), engine, {"lib": library.offer(offering)}, Limits())
    assert user.exports[""]["run"](user.instantiate(None)) == 42
    assert library.exports[""]["dropped"](offering) == 2


def test_another_type_than_the_other_component_has_is_refused(engine: Engine) -> None:
    library = link(decode(parse(COUNTER)), engine, {}, Limits())
    offered = {"lib": library.offer(library.instantiate(None))}
    with pytest.raises(LinkError, match="parameter 'value' is s32, not u32"):
        link(decode(parse(USER.format(value="s32"))), engine, offered, Limits())


def test_a_core_module_that_nobody_gives_is_missed(engine: Engine) -> None:
    with pytest.raises(LinkError, match="does not offer"):
        link(decode(parse('(component (import "m" (core module)))')), engine, {}, Limits())


def test_an_import_can_be_exported_as_it_is(engine: Engine) -> None:
    library = link(decode(parse(COUNTER)), engine, {}, Limits())
    offered = {"lib": library.offer(library.instantiate(None))}
    text = """(component
      (import "lib" (instance $lib (export "dropped" (func (result u32)))))
      (export "again" (func $lib "dropped")))"""
    passing = link(decode(parse(text)), engine, offered, Limits())
    assert passing.exports[""]["again"](passing.instantiate(None)) == 0
