"""`serve`: a component answers.

The component runs in a task of its own: its answer goes up as soon as it has a head, and the component goes on with the
body, held back by whoever reads it. When nobody reads any more the component is ended where it is.
"""

from __future__ import annotations

import asyncio
import logging
from time import perf_counter_ns

from proxy import errors
from proxy.chain.stage import Below
from proxy.errors import ProxyError
from proxy.exchange import Pipe, Request, Response
from proxy.exchange.eager import start
from proxy.exchange.story import EndStory
from proxy.sandbox import PoolExhausted, Trap
from proxy.telemetry import FilterTally, GuestLog
from proxy.wasi.http import Client, Service, Serving

logger = logging.getLogger(__name__)


class Serve:
    """The stage. `total`: seconds from a visit's beginning to its end, all that it waits for included."""

    def __init__(self, name: str, service: Service, client: Client, tally: FilterTally, total: float) -> None:
        self.name = name
        self._service = service
        self._client = client
        self._tally = tally
        self._total = total
        self._log = GuestLog(name)

    async def __call__(self, request: Request, below: Below) -> Response:
        started = perf_counter_ns()
        story = EndStory("serve", self.name)
        if request.exchange.trace is not None:
            request.exchange.trace.append(story)
        visit = Serving(request, self._client, self._print)
        guest = start(self._run(visit))
        if isinstance(guest, asyncio.Task):
            timer = asyncio.get_running_loop().call_later(self._total, self._late, visit, guest)
            guest.add_done_callback(lambda _: timer.cancel())
            visit.left = guest.cancel
        try:
            response = await visit.answer
            story.status = response.status
        except BaseException:
            if isinstance(guest, asyncio.Task):
                guest.cancel()
            raise
        finally:
            spent = request.exchange.spent
            story.microseconds = (perf_counter_ns() - started) // 1000
            spent[self.name] = spent.get(self.name, 0) + story.microseconds
        return _whole(response)

    async def _run(self, visit: Serving) -> None:
        self._tally.runs += 1
        try:
            await self._service.visit(visit)
        except (Trap, PoolExhausted) as error:
            self._failed(visit, error)
        finally:
            visit.close()

    def _failed(self, visit: Serving, error: Exception) -> None:
        self._tally.errors += 1
        backtrace = error.backtrace.strip().replace("\n", " < ") if isinstance(error, Trap) else "-"
        logger.error("%s failed: %s; request %s; guest backtrace: %s",
                     self.name, error, visit.request.exchange.id, backtrace)  # fmt: skip
        visit.fail(ProxyError(errors.PROXY_INTERNAL_ERROR, f"{self.name} failed"))

    def _late(self, visit: Serving, guest: asyncio.Task[None]) -> None:
        self._tally.errors += 1
        logger.error("%s took longer than %g s; request %s", self.name, self._total, visit.request.exchange.id)
        visit.fail(ProxyError(errors.HTTP_RESPONSE_TIMEOUT, f"{self.name} took longer than {self._total:g} s"))
        guest.cancel()

    def _print(self, stream: str, line: str) -> None:
        self._log.log("info", f"{stream}: {line}")


def _whole(response: Response) -> Response:
    """A body that is all there already is not streamed."""
    body = response.body
    if isinstance(body, Pipe) and body.ended and body.trailers is None:
        response.body = body.take() or b""
        if b"content-length" not in response.fields:
            response.fields.append(b"content-length", str(len(response.body)).encode())
    return response
