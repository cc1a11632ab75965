"""This host's side: runs a component of the oracle, and says how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Protocol

from proxy.component import HostInterface, Linked, decode, link
from proxy.sandbox import Engine, Limits, Trap, TrapKind
from tests.component.guests import parse
from tests.conformance.oracle.operations import component
from tests.conformance.oracle.program import Programs, Step, Words
from tests.patience import PATIENCE

TURNS = 50
"""Of the event loop after the call has its result: what goes on then is over by that time."""


def linked(engine: Engine) -> Linked:
    def ask(orders: Orders, number: int, r: int, p: int, q: int) -> Words:
        return orders.next(number, r, p, q)

    offered = {"": HostInterface({"next": ask})}
    return link(decode(parse(component())), engine, offered, Limits(time=5.0), suspends=True)


class Orders(Protocol):
    """What guests ask for their next operation."""

    def next(self, number: int, r: int, p: int, q: int) -> Words: ...


def run(component: Linked, choices: Sequence[int]) -> tuple[list[Step], str]:
    """The trace, and its end: "" or why it stopped."""
    programs = Programs(choices)
    return programs.trace, follow(component, programs)


def follow(component: Linked, orders: Orders) -> str:
    return asyncio.run(_follow(component, orders))


async def _follow(component: Linked, orders: Orders) -> str:
    export: Any = component.exports[""]["run"]
    instance = component.instantiate(orders)
    try:
        call = export.start(instance, 0)
        await asyncio.wait_for(call.result(), timeout=PATIENCE)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        if not instance.alive:
            return "another task stopped it"
    except Trap as trap:
        if trap.kind is not TrapKind.ABI:
            raise
        return str(trap)
    finally:
        instance.close()
    return ""
