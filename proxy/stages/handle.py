"""`filter: NAME` and `serve: NAME` for components that export `wasi:http/handler` (0.3): a middleware, whose own
handler is the stages below, or a service.

A run that fails ends as `on_error` says, as with any filter; but `fail_open` can only go on without a middleware that
has passed nothing down yet, and has not begun with the request's body.
"""

from __future__ import annotations

import logging
from time import perf_counter_ns

from proxy import errors
from proxy.chain.stage import Below
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.observation import UNREPEATABLE, observed
from proxy.exchange.story import EndStory, FilterStory
from proxy.sandbox import PoolExhausted, Trap
from proxy.telemetry import FilterTally, GuestLog
from proxy.wasi.http import Client
from proxy.wasi.p3.http import Handler, Handling

logger = logging.getLogger(__name__)


class Handle:
    """The stage. `passes`: whether it has stages below."""

    def __init__(
        self, name: str, handler: Handler, client: Client, tally: FilterTally, *, passes: bool, fail_open: bool
    ) -> None:
        self.name = name
        self._handler = handler
        self._client = client
        self._tally = tally
        self._passes = passes
        self._fail_open = fail_open
        self._log = GuestLog(name)

    async def __call__(self, request: Request, below: Below) -> Response:
        started = perf_counter_ns()
        self._tally.runs += 1
        exchange = request.exchange
        story: FilterStory | EndStory | None = None
        if exchange.trace is not None:
            story = FilterStory(self.name) if self._passes else EndStory("serve", self.name)
            exchange.trace.append(story)
        handling = Handling(request, self._client, self._print, below if self._passes else None)
        try:
            response = await self._handler.handle(handling)
        except (Trap, PoolExhausted) as error:
            if isinstance(story, FilterStory):
                story.failure = str(error)
            self._failed(request, error)
            if not (self._fail_open and handling.untouched):
                raise ProxyError(errors.PROXY_INTERNAL_ERROR, f"{self.name} failed") from error
            observed(request, UNREPEATABLE)
            response = await below(request)
        finally:
            microseconds = (perf_counter_ns() - started) // 1000
            exchange.spent[self.name] = exchange.spent.get(self.name, 0) + microseconds
        if isinstance(story, EndStory):
            story.status, story.microseconds = response.status, microseconds
        return response

    def _failed(self, request: Request, error: Exception) -> None:
        self._tally.errors += 1
        backtrace = error.backtrace.strip().replace("\n", " < ") if isinstance(error, Trap) else "-"
        logger.error("%s failed: %s; request %s; guest backtrace: %s",
                     self.name, error, request.exchange.id, backtrace)  # fmt: skip

    def _print(self, stream: str, line: str) -> None:
        self._log.log("info", f"{stream}: {line}")
