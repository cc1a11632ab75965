"""A filter ready to run: its component linked to our host functions, its settings, its memo, its instances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.component import Component, ExportFunc, HostInterface, Linked, LinkError, link
from proxy.sandbox import Engine, Limits
from proxy.sluice.glass import DOWN, UP, Glass
from proxy.sluice.interface import PACKAGE, VERSION, imports, name, promised
from proxy.sluice.memo import Memo
from proxy.sluice.run import Run
from proxy.sluice.seat import Seat
from proxy.sluice.settings import Settings
from proxy.sluice.steps import OnRequest, Step
from proxy.telemetry import GuestLog

IDLE_INSTANCES = 64
"""Instances kept for later."""


class Program:
    """One entry of `filters:`.

    on_request, on_response, open: its steps, None where the component has none; steps: those there are, in order. body:
    its exports push and finish.
    memo: None when the filter's runs are not remembered (pooled instances keep state between exchanges).
    """

    def __init__(
        self,
        filter_name: str,
        component: Component,
        engine: Engine,
        *,
        config: Mapping[str, Any],
        limits: Limits,
        pooled: bool = False,
        memo: bool = True,
        lens: bool = True,
        more_imports: Mapping[str, HostInterface] | None = None,
    ) -> None:
        """Compiles and links; raises LinkError when the component wants what we do not have, or is no filter.
        lens: answer inside of Wasm what can be."""
        self.name = filter_name
        self.settings = Settings(config)
        self.guest_log = GuestLog(filter_name)
        self._linked = link(
            component, engine, {**imports(inlaid=lens), **(more_imports or {})}, limits, rewinds=not pooled
        )
        on_request = _export(self._linked, "on-request", "on-request")
        on_response = _export(self._linked, "on-response", "on-response")
        body = _body(self._linked)
        self.on_request = None if on_request is None else OnRequest("on-request", on_request, self._glass(DOWN))
        self.on_response = None if on_response is None else Step("on-response", on_response, self._glass(UP))
        self.open = None if body is None else Step("open-body", body[0])
        self.body = None if body is None else body[1:]
        self.steps = tuple([step for step in (self.on_request, self.on_response, self.open) if step is not None])
        if not self.steps:
            raise LinkError(
                f"exports none of on-request, on-response and on-body of {PACKAGE}@{VERSION}, so it is no filter"
            )
        self.memo = Memo() if memo and not pooled else None
        self._pooled = pooled
        self._idle: list[Seat] | None = []

    def _glass(self, number: int) -> Glass | None:
        return Glass(number, self.guest_log) if self._linked.inlays else None

    def seat(self, run: Run) -> Seat:
        """An instance to serve one exchange: a new one, one put back to how it was new, or an idle one of the pool."""
        if self._idle:
            seat = self._idle.pop()
            seat.instance.data = run
            return seat
        return Seat(self._linked.instantiate(run))

    def release(self, seat: Seat, *, healthy: bool) -> None:
        """The exchange is over. An instance whose run failed is never used again."""
        idle = self._idle if healthy else None
        if idle is not None and len(idle) < IDLE_INSTANCES and (self._pooled or self._linked.rewind(seat.instance)):
            seat.instance.data = None
            idle.append(seat)
        else:
            seat.instance.close()

    def drain(self) -> None:
        """Keep no idle instances from now on. Exchanges that began with this filter go on to use it."""
        self.close()
        self._idle = None

    def close(self) -> None:
        for seat in self._idle or ():
            seat.instance.close()
        if self._idle:
            self._idle.clear()


def _export(linked: Linked, interface: str, function: str) -> ExportFunc | None:
    """An export of ours, with the type the WIT package gives it."""
    wanted = name(interface)
    for exported, functions in linked.exports.items():
        # Versions 0.1.x are compatible with each other (semver; the spec's linking section).
        if exported.split("@")[0] == wanted.split("@")[0] and exported.startswith(wanted.rsplit(".", 1)[0]):
            found = functions[function]
            expected = promised()[wanted].functions[function]
            if found.type != expected:
                raise LinkError(f"exports {exported}#{function} as {found.type}, the interface says {expected}")
            return found
    return None


def _body(linked: Linked) -> tuple[ExportFunc, ExportFunc, ExportFunc] | None:
    found = [_export(linked, "on-body", function) for function in ("open", "push", "finish")]
    opened, push, finish = found
    return (opened, push, finish) if opened and push and finish else None
