"""A component that exports `wasi:http/handler`, ready to handle exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from proxy.component import Call, Component, HostInterface, Instance, Linked, LinkError, link
from proxy.exchange import Response
from proxy.sandbox import Engine, Limits, Trap, TrapKind
from proxy.wasi.p3.http.bodies import Outgoing
from proxy.wasi.p3.http.handling import Handling
from proxy.wasi.p3.http.messages import GuestRequest

HANDLER = "wasi:http/handler@0.3"

GRACE = 1.0
"""Seconds that a guest has to end a call that was cancelled."""


def handler_of(names: Mapping[str, object]) -> str | None:
    """The name of the handler among imports or exports."""
    return next((name for name in names if name.startswith(f"{HANDLER}.")), None)


def passes_down(component: Component) -> bool:
    """Whether it is a middleware: it imports a handler, too."""
    return handler_of(component.imports) is not None


class Handler:
    """Each exchange gets a fresh instance. `total`: seconds from its beginning to its end, all that it waits for
    included."""

    def __init__(
        self,
        component: Component,
        engine: Engine,
        imports: Mapping[str, HostInterface],
        limits: Limits,
        total: float,
    ) -> None:
        """Compiles and links; raises LinkError when the component wants what there is not, or handles nothing."""
        name = handler_of(component.exports)
        if name is None:
            raise LinkError(f"does not export {HANDLER}.x, so it handles nothing")
        self._linked: Linked = link(component, engine, imports, limits, suspends=True)
        self._handle: Any = self._linked.exports[name]["handle"]
        self._total = total
        self._alive = 0
        self._over = False
        self._endings: set[asyncio.Task[None]] = set()

    async def handle(self, handling: Handling) -> Response:
        """The answer; the component may go on after it. Raises Trap, PoolExhausted, and ProxyError for an error that it
        answers with."""
        instance = self._linked.instantiate(handling)
        self._alive += 1
        try:
            call: Call = self._handle.start(instance, GuestRequest.arrived(handling.request))
        except BaseException:
            self._end(instance, handling)
            raise
        late = asyncio.get_running_loop().call_later(self._total, self._late, instance)
        body: Outgoing | None = None
        try:
            response = handling.answered(await call.result)
            body = response.body if isinstance(response.body, Outgoing) else None
        except asyncio.CancelledError:
            if instance.alive:
                late.cancel()
                late = asyncio.get_running_loop().call_later(GRACE, self._late, instance)
                instance.scheduler.cancel(call)
            raise
        finally:
            self._finish(instance, handling, call, body, late)
        return response

    def _finish(
        self, instance: Instance, handling: Handling, call: Call, body: Outgoing | None, late: asyncio.TimerHandle
    ) -> None:
        """Ends the instance when all is done."""
        if call.ended.done() and (body is None or body.over):
            late.cancel()
            self._end(instance, handling)
            return
        ending = asyncio.get_running_loop().create_task(self._ended(instance, handling, call, body, late))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _ended(
        self, instance: Instance, handling: Handling, call: Call, body: Outgoing | None, late: asyncio.TimerHandle
    ) -> None:
        try:
            await asyncio.wait([call.ended])
            if body is not None and not body.over:
                body.abandoned()
                await asyncio.wait([body.transmitted])
        finally:
            late.cancel()
            self._end(instance, handling)

    def _late(self, instance: Instance) -> None:
        if instance.alive:
            instance.stop()
            instance.scheduler.fail(Trap(TrapKind.TIMEOUT, f"took longer than {self._total:g} s"))

    def _end(self, instance: Instance, handling: Handling) -> None:
        instance.close()
        handling.close()
        self._alive -= 1
        self._free()

    def close(self) -> None:
        """No new exchange comes; what there is for them is freed after the last one."""
        self._over = True
        self._free()

    def _free(self) -> None:
        if self._over and not self._alive:
            self._linked.close()
