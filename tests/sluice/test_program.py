"""Instances that are used again, and those that are not."""

from __future__ import annotations

from proxy.component import decode
from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields
from proxy.sandbox import Engine, Limits
from proxy.sluice.program import Program
from proxy.sluice.run import Run
from tests.hostile.conftest import BUILT, engine

__all__ = ["engine"]


def program(engine: Engine, *, pooled: bool) -> tuple[Program, Run]:
    component = decode((BUILT / "hostile.wasm").read_bytes())
    made = Program("f", component, engine, config={}, limits=Limits(), pooled=pooled)
    request = Request("GET", "http", "a", "/", None, Fields(), Exchange())
    return made, Run(request, made.settings, made.guest_log)


def test_a_pooled_instance_is_used_again_unless_its_run_failed(engine: Engine) -> None:
    made, run = program(engine, pooled=True)
    first = made.instance(run)
    second = made.instance(run)
    assert second is not first
    made.release(first, healthy=True)
    assert made.instance(run) is first
    made.release(first, healthy=False)
    made.release(second, healthy=True)
    assert made.instance(run) is second
    made.release(second, healthy=True)
    made.close()


def test_a_fresh_instance_never_is(engine: Engine) -> None:
    made, run = program(engine, pooled=False)
    first = made.instance(run)
    made.release(first, healthy=True)
    assert made.instance(run) is not first
