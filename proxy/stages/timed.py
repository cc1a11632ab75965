"""A stage whose time is taken, for `server_timing` and traces; chains have these only where one of both is on."""

from __future__ import annotations

from time import perf_counter_ns

from proxy.chain.stage import Below, Stage
from proxy.exchange import Request, Response
from proxy.exchange.clock import StageClock
from proxy.telemetry.tracing import Tracing


class Timed:
    """kind and name: as in the YAML. A body that is still arriving when the stage has answered does not count."""

    def __init__(self, stage: Stage, kind: str, name: str, tracing: Tracing | None) -> None:
        self._stage = stage
        self._kind, self._name = kind, name
        self._tracing = tracing

    async def __call__(self, request: Request, below: Below) -> Response:
        clock = request.exchange.clock
        if clock is None:
            return await self._stage(request, below)
        outside, clock.inside = clock.inside, 0
        started = perf_counter_ns()
        try:
            if self._tracing is None or clock.span is None:
                return await self._stage(request, below)
            return await self._spanned(self._tracing, clock, request, below)
        finally:
            spent = perf_counter_ns() - started
            clock.stages.append((self._kind, self._name, max(0, spent - clock.inside)))
            clock.inside = outside + spent

    async def _spanned(self, tracing: Tracing, clock: StageClock, request: Request, below: Below) -> Response:
        parent = clock.span
        span = clock.span = tracing.stage(self._kind, self._name, parent)
        if self._kind == "forward":
            request = tracing.outgoing(request, span)
        failure: BaseException | None = None
        try:
            return await self._stage(request, below)
        except BaseException as error:
            failure = error
            raise
        finally:
            clock.span = parent
            tracing.stage_over(span, failure)
