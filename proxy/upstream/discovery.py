"""The endpoints behind the names of an upstream, kept up to date."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from proxy.errors import ProxyError
from proxy.upstream.connect import Endpoint
from proxy.upstream.dns import Lookup
from proxy.upstream.names import Name

logger = logging.getLogger(__name__)


class Discovery:
    """Looks each name up when it is `start`ed, and again when the answer's time is over. `changed` is called with all
    endpoints whenever they are others than before."""

    def __init__(self, declared: Sequence[Endpoint], lookup: Lookup, changed: Callable[[list[Endpoint]], None]) -> None:
        self._declared = declared
        self._lookup = lookup
        self._changed = changed
        self._names = {endpoint.host: Name() for endpoint in declared if _has_name(endpoint)}
        self._tasks: list[asyncio.Task[None]] = []
        self._asked = asyncio.Event()  # every name has been looked up once
        self._pending = set(self._names)
        self.failure: ProxyError | None = None
        """Why the last look-up that failed did."""

    def start(self) -> None:
        if not self._tasks:
            loop = asyncio.get_running_loop()
            self._tasks = [loop.create_task(self._keep(host, name)) for host, name in self._names.items()]

    async def first(self) -> None:
        """Until there is an endpoint, or every name has been looked up."""
        self.start()
        await self._asked.wait()

    def endpoints(self) -> list[Endpoint]:
        """Each address once."""
        found: dict[str, Endpoint] = {}
        for endpoint in self._declared:
            name = self._names.get(endpoint.host) if endpoint.path is None else None
            for each in [endpoint] if name is None else [replace(endpoint, address=a) for a in name.addresses]:
                found.setdefault(str(each), each)
        return list(found.values())

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _keep(self, host: str, name: Name) -> None:
        loop = asyncio.get_running_loop()
        while True:
            before = name.addresses
            try:
                answer = await self._lookup(host)
            except ProxyError as error:
                self.failure = error
                name.failed(loop.time())
                logger.warning("%s; %s", error.detail, "its old addresses stay" if before else "it has no addresses")
            else:
                name.answered(answer, loop.time())
            if name.addresses != before:
                if before:
                    logger.info("%s is now %s", host, ", ".join(name.addresses))
                self._changed(self.endpoints())
            self._pending.discard(host)
            if name.addresses or not self._pending:
                self._asked.set()
            await asyncio.sleep(max(0.0, name.due - loop.time()))


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _has_name(endpoint: Endpoint) -> bool:
    return endpoint.path is None and not is_address(endpoint.host)
