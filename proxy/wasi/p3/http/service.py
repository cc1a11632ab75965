"""A component that exports `wasi:http/handler`, ready to handle exchanges."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from proxy.component import Call, Component, HostInterface, Instance, Linked, LinkError, link
from proxy.exchange import Response
from proxy.sandbox import Engine, Limits, Trap, TrapKind
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


@dataclass(slots=True, eq=False)
class Kept:
    """An instance, how many exchanges it has had, and how many of them it has now."""

    instance: Instance
    had: int = 0
    has: int = 0
    retired: bool = False
    """It gets no more."""


@dataclass(slots=True, eq=False)
class Run:
    """An exchange in the hands of an instance. `over`: it let go of the instance."""

    kept: Kept
    handling: Handling
    call: Call
    late: asyncio.TimerHandle | None = None
    """What stops it after its time; none for what is over at once."""
    over: bool = False


class Handler:
    """`total`: seconds of an exchange from its beginning to its end, all that it waits for included. `reuse`: how many
    exchanges an instance has in its life, and `concurrent` at a time; one has its own unless they are more."""

    def __init__(
        self,
        component: Component,
        engine: Engine,
        imports: Mapping[str, HostInterface],
        limits: Limits,
        total: float,
        *,
        reuse: int = 1,
        concurrent: int = 1,
    ) -> None:
        """Compiles and links; raises LinkError when the component wants what there is not, or handles nothing."""
        name = handler_of(component.exports)
        if name is None:
            raise LinkError(f"does not export {HANDLER}.x, so it handles nothing")
        self._linked: Linked = link(component, engine, imports, limits, suspends=True)
        self._handle: Any = self._linked.exports[name]["handle"]
        self._total = total
        self._reuse = reuse
        self._concurrent = concurrent
        self._kept: dict[Kept, None] = {}
        self._open: dict[Kept, None] = {}
        """Those that may have one more."""
        self._over = False
        self._resting: list[asyncio.Future[None]] = []

    @property
    def alive(self) -> int:
        """Instances that have exchanges."""
        return sum(kept.has > 0 for kept in self._kept)

    async def rest(self) -> None:
        """Until no exchange goes on."""
        if self.alive:
            resting = asyncio.get_running_loop().create_future()
            self._resting.append(resting)
            await resting

    async def handle(self, handling: Handling) -> Response:
        """The answer; the component may go on after it. Raises Trap, PoolExhausted, and ProxyError for an error that it
        answers with."""
        run = self._begin(handling)
        try:
            if not run.call.resolved:
                self._within(run, self._total)
            answer = await run.call.result()
            if run.call.failure is not None and handling.body is None:
                raise run.call.failure  # after it has answered; a body that breaks off says so itself
            response = handling.answered(answer)
        except asyncio.CancelledError:
            self._cancel(run)
            raise
        finally:
            self._finish(run)
        return response

    def _begin(self, handling: Handling) -> Run:
        kept = self._free_one(handling)
        kept.had += 1
        kept.has += 1
        if kept.has >= self._concurrent or kept.had >= self._reuse:
            del self._open[kept]
        try:
            arrived = GuestRequest.arrived(handling.request)
            call: Call = self._handle.start(kept.instance, arrived, data=handling, on_result=handling.given)
        except BaseException:
            self._release(kept, handling)
            raise
        return Run(kept, handling, call)

    def _within(self, run: Run, seconds: float) -> None:
        """It has so much time left."""
        if run.late is not None:
            run.late.cancel()
        run.late = asyncio.get_running_loop().call_later(seconds, self._late, run)

    def _free_one(self, handling: Handling) -> Kept:
        while self._open:
            kept = next(iter(self._open))
            if self._usable(kept):
                return kept
            del self._open[kept]
        kept = Kept(self._linked.instantiate(handling))
        self._kept[kept] = self._open[kept] = None
        return kept

    def _usable(self, kept: Kept) -> bool:
        return not self._over and not kept.retired and kept.had < self._reuse and kept.instance.alive

    def _cancel(self, run: Run) -> None:
        """Nobody wants the answer any more. Guests of today's toolchains may trap when they are told so: of an instance
        that has others, too, nothing is asked, and what is left of the exchange has as long to end."""
        run.handling.unwanted()
        if run.kept.instance.alive:
            self._within(run, GRACE)
            if run.kept.has == 1:
                with suppress(Trap):
                    run.kept.instance.scheduler.cancel(run.call)

    def _finish(self, run: Run) -> None:
        """Lets go of the instance when both are done, the call and the body."""
        body = run.handling.body
        if body is not None:
            body.on_end = partial(self._ended, run)
        if not run.call.over:
            run.call.on_end = partial(self._call_ended, run)
        self._ended(run)
        if not run.over and run.late is None:
            self._within(run, self._total)

    def _call_ended(self, run: Run) -> None:
        """By then its guest may be on the stack."""
        asyncio.get_running_loop().call_soon(self._ended, run)

    def _ended(self, run: Run) -> None:
        if run.over or not run.call.over:
            return
        body = run.handling.body
        if body is None or body.over:
            run.over = True
            self._done(run)
        else:
            body.abandoned()

    def _done(self, run: Run) -> None:
        if run.late is not None:
            run.late.cancel()
        self._release(run.kept, run.handling)

    def _late(self, run: Run) -> None:
        """It ends where it is. Others in the same instance are left to their end, but no new ones come."""
        error = Trap(TrapKind.TIMEOUT, f"took longer than {self._total:g} s")
        instance = run.kept.instance
        run.kept.retired = True
        if run.kept.has == 1 and instance.alive:
            instance.stop()
            instance.scheduler.fail(error)
        run.call.fail(error)
        if run.handling.body is not None:
            run.handling.body.fail(error)

    def _release(self, kept: Kept, handling: Handling) -> None:
        kept.has -= 1
        handling.close()
        if kept.had < self._reuse and self._usable(kept):
            self._open[kept] = None
        elif not kept.has:
            self._drop(kept)
        if self._resting and not self.alive:
            for resting in self._resting:
                if not resting.done():
                    resting.set_result(None)
            self._resting.clear()
        if self._over:
            self._free()

    def _drop(self, kept: Kept) -> None:
        del self._kept[kept]
        self._open.pop(kept, None)
        kept.instance.close()

    def close(self) -> None:
        """No new exchange comes; what there is for them is freed after the last one."""
        self._over = True
        for kept in [kept for kept in self._kept if not kept.has]:
            self._drop(kept)
        self._free()

    def _free(self) -> None:
        if self._over and not self._kept:
            self._linked.close()
