"""Instances that are used again, and those that are not."""

from __future__ import annotations

import pytest

from proxy.component import decode
from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields
from proxy.sandbox import Engine, Limits
from proxy.sluice.program import Program
from proxy.sluice.run import Run
from proxy.sluice.session import Session
from tests.component.guests import ALLOCATOR, WIT, component
from tests.hostile.conftest import BUILT, engine

__all__ = ["engine"]


def program(engine: Engine, *, pooled: bool) -> tuple[Program, Run]:
    component = decode((BUILT / "hostile.wasm").read_bytes())
    made = Program("f", component, engine, config={}, limits=Limits(), pooled=pooled)
    request = Request("GET", "http", "a", "/", None, Fields(), Exchange())
    return made, Run(request, made.settings, made.guest_log)


def test_a_pooled_instance_is_used_again_unless_its_run_failed(engine: Engine) -> None:
    made, run = program(engine, pooled=True)
    first = made.seat(run)
    second = made.seat(run)
    assert second is not first
    made.release(first, healthy=True)
    assert made.seat(run) is first
    made.release(first, healthy=False)
    made.release(second, healthy=True)
    assert made.seat(run) is second
    made.release(second, healthy=True)
    made.close()


COUNTS = f"""(module
  (import "sluice:filter/request@0.1.0" "set-header" (func $set-header (param i32 i32 i32 i32)))
  {ALLOCATOR}
  (data (i32.const 16) "x-asked0")
  (func (export "sluice:filter/on-request@0.1.0#on-request") (result i32)
    (i32.store8 (i32.const 23) (i32.add (i32.load8_u (i32.const 23)) (i32.const 1)))
    (call $set-header (i32.const 16) (i32.const 7) (i32.const 23) (i32.const 1))
    (i32.const 128)))"""
"""Tells the origin how often the instance was asked."""


@pytest.mark.parametrize(("pooled", "asked"), [(False, [b"1", b"1", b"1"]), (True, [b"1", b"2", b"3"])])
def test_what_one_exchange_leaves_in_an_instance(engine: Engine, pooled: bool, asked: list[bytes]) -> None:
    data = decode(component(COUNTS, str(WIT), "request-filter"))
    made = Program("f", data, engine, config={}, limits=Limits(), pooled=pooled, memo=False)
    told, instances = [], []
    for _ in asked:
        session = Session(made, Request("GET", "http", "a", "/", None, Fields(), Exchange()))
        session.on_request()
        told.append(session.request.fields.get(b"x-asked"))
        instances.append(session._seat)
        session.close()
    assert told == asked
    assert len(set(instances)) == 1  # the very same, put back each time unless it is pooled
    made.close()


def test_a_fresh_instance_whose_run_failed_never_is_used_again(engine: Engine) -> None:
    made, run = program(engine, pooled=False)
    first = made.seat(run)
    made.release(first, healthy=False)
    assert made.seat(run) is not first
