"""A chain behind mitmproxy, for real: sockets, an origin, mitmproxy's own interfaces."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from mitmproxy.master import Master

from proxy.config.loader import load
from proxy.inspector.interface import Session, serve
from proxy.server.live import Live
from tests.integration.site import Answer, Asked, Reply, engine, parse, serving
from tests.listening import listening
from tests.patience import PATIENCE
from tests.ports import free_port

# By the name of mitmproxy 11, and by that of 12.
XSRF = {"cookie": "_xsrf=abcd; _mitmproxy_xsrf=abcd", "x-xsrftoken": "abcd"}


@dataclass
class Inspected:
    """port: of the chain. web: of mitmproxy's web interface. asked: what reached the origin."""

    port: int
    web: int
    config: Path
    master: Master
    asked: list[Asked]

    async def get(self, target: str, **headers: str) -> Answer:
        return await ask(self.port, "GET", target, headers)

    async def flows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(await self._looked_at("/flows"))
        return found

    async def story(self, flow: str) -> list[str]:
        """What the content view shows in the browser."""
        shown = json.loads(await self._looked_at(f"/flows/{flow}/response/content/sluice"))
        if "lines" in shown:  # mitmproxy 11
            return ["".join(text for _, text in line) for line in shown["lines"]]
        return str(shown["text"]).splitlines()

    async def _looked_at(self, target: str) -> bytes:
        answer = await ask(self.web, "GET", target, self._token)
        assert answer.status == 200, answer.body
        return answer.body

    @property
    def _token(self) -> dict[str, str]:
        """Of newer versions of mitmproxy; it is in the address that `sluice inspect` prints."""
        _, _, token = str(getattr(self.master, "web_url", "")).partition("?token=")
        return {"authorization": f"Bearer {token}"}

    async def do(self, method: str, target: str, body: object = None) -> None:
        """Something that a click in the browser does."""
        sent = b"" if body is None else json.dumps(body).encode()
        answer = await ask(self.web, method, target, self._token | XSRF | {"content-type": "application/json"}, sent)
        assert answer.status == 200, answer.body


async def ask(port: int, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = {"host": f"127.0.0.1:{port}", "connection": "close", "content-length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
    raw = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return parse(raw, method)


@asynccontextmanager
async def inspected(
    directory: Path,
    reply: Reply | bytes,
    chain: list[dict[str, Any]],
    filters: dict[str, Any] | None = None,
    interface: Literal["web", "dump"] = "web",
    **more: Any,
) -> AsyncIterator[Inspected]:
    asked: list[Asked] = []
    async with listening(serving(asked, reply)) as at:
        config = {
            "version": 1,
            "listeners": [{"address": "127.0.0.1:0"}],
            "upstreams": {"origin": {"endpoints": [f"http://127.0.0.1:{at}"]}},
            "filters": filters or {},
            "routes": [{"chain": [*chain, {"forward": "origin"}]}],
        }
        path = directory / "sluice.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        masters: list[Master] = []
        web = free_port()
        options = (f"confdir={directory / 'mitmproxy'}",)
        session = Session(("127.0.0.1", 0), interface, ("127.0.0.1", web), options=options, **more)
        logger = logging.getLogger()
        level, handlers = logger.level, list(logger.handlers)
        with closing(Live(load(path), engine(), clock=lambda: 1_000_000.0)) as live:
            serving_it = asyncio.create_task(serve(session, live, live.wrong, on_master=masters.append))
            try:
                yield Inspected(await port_of(masters, serving_it), web, path, masters[0], asked)
            finally:
                if masters:
                    masters[0].shutdown()
                await serving_it
                logger.setLevel(level)
                logger.handlers[:] = handlers


async def port_of(masters: list[Master], serving_it: asyncio.Task[None]) -> int:
    """The port, once there is one."""
    while not serving_it.done():
        if masters and (addresses := masters[0].addons.get("proxyserver").listen_addrs()):
            return int(addresses[0][1])
        await asyncio.sleep(0.01)
    raise AssertionError(serving_it.exception())


def is_taken(port: int) -> bool:
    """Somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
