"""Active health checks: endpoints are asked by themselves, again and again."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from proxy.errors import ProxyError
from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields
from proxy.http.proxy_status import PSEUDONYM
from proxy.upstream.health import State, Thresholds
from proxy.upstream.origin import Origin

logger = logging.getLogger(__name__)

JITTER = 0.1
"""The part of an interval that it may be longer or shorter, so that checks of many proxies do not come together."""


@dataclass(frozen=True, slots=True)
class Check:
    """target: path and query. statuses: of answers that pass. authority: None is the endpoint's own. Seconds."""

    target: str
    statuses: frozenset[int]
    authority: str | None = None
    interval: float = 10.0
    timeout: float = 2.0
    thresholds: Thresholds = Thresholds()  # noqa: RUF009 - frozen


class Checks:
    """origins: those there are, asked anew for each round. judged: called after each check."""

    def __init__(
        self, upstream: str, check: Check, origins: Callable[[], Iterable[Origin]], judged: Callable[[], None]
    ) -> None:
        self._upstream = upstream
        self._check = check
        self._origins = origins
        self._judged = judged
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.gather(*(self._one(origin) for origin in tuple(self._origins())))
            await asyncio.sleep(self._check.interval * random.uniform(1 - JITTER, 1 + JITTER))

    async def _one(self, origin: Origin) -> None:
        wrong = await probe(origin, self._check)
        now = asyncio.get_running_loop().time()
        before = origin.health.state(now)
        origin.checks += 1
        origin.checks_failed += wrong is not None
        origin.health.checked(wrong is None, self._check.thresholds, now)
        after = origin.health.state(now)
        if after is State.UNHEALTHY and before is not after:
            logger.warning("upstream %s: %s is unhealthy: %s", self._upstream, origin.name, wrong)
        elif before is State.UNHEALTHY and before is not after:
            logger.info("upstream %s: %s is healthy again", self._upstream, origin.name)
        self._judged()


async def probe(origin: Origin, check: Check) -> str | None:
    """What is wrong with it; None: nothing."""
    path, question, query = check.target.partition("?")
    fields = Fields([(b"user-agent", f"{PSEUDONYM} health check".encode())])
    authority = check.authority or origin.authority
    request = Request("GET", "http", authority, path, query if question else None, fields, Exchange())
    try:
        async with asyncio.timeout(check.timeout):
            response = await origin.probe(request)
    except TimeoutError:
        return f"no answer within {check.timeout:g} s"
    except ProxyError as error:
        return str(error)
    return None if response.status in check.statuses else f"status {response.status}"
