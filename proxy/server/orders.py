"""What the supervisor can ask of a worker, and what it is told."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic

from proxy.cache.purge import BadPurge, from_json
from proxy.config.errors import ConfigErrors
from proxy.config.loader import ConfigFile, load
from proxy.exchange import Pipe
from proxy.server.assemble import Assembly
from proxy.server.channel import Lost, Message, Refused
from proxy.server.explain import followed, question
from proxy.server.recorder import Wanted
from proxy.server.serve import Server
from proxy.server.sockets import Sockets
from proxy.telemetry import configure
from proxy.telemetry.app_log import LEVELS


class Orders:
    """A function of orders, and the state between two of them.

    sockets: what the worker may listen on, from its beginning. hatch: where new ones come through. tell: tells the
    supervisor something.
    """

    def __init__(
        self,
        server: Server,
        generation: int,
        sockets: Sockets,
        hatch: socket.socket,
        tell: Callable[[Message], Awaitable[Message]],
    ) -> None:
        self._tell = tell
        self._tapes: dict[int, Pipe] = {}
        self._playing: set[asyncio.Task[None]] = set()
        self._server = server
        self._generation = generation
        self._sockets = sockets
        self._hatch = hatch
        self._began = monotonic()
        self._prepared: Assembly | None = None
        self._compiling = ThreadPoolExecutor(1, "reload")
        self._table: dict[str, Callable[[Message], Awaitable[Message]]] = {
            "prepare": self._prepare,
            "commit": self._commit,
            "abandon": self._abandon,
            "metrics": self._metrics,
            "filters": self._filters,
            "upstreams": self._upstreams,
            "caches": self._caches,
            "purge": self._purge,
            "status": self._status,
            "reopen logs": self._reopen_logs,
            "dashboard": self._dashboard,
            "explain": self._explain,
            "record": self._record,
            "stop recording": self._stop_recording,
        }

    async def __call__(self, order: Message) -> Message:
        return await self._table[order["do"]](order)

    async def _prepare(self, order: Message) -> Message:
        """path, text: the configuration. Answers with what it has found that to be."""
        await self._abandon(order)

        def assembled() -> Assembly:
            return self._server.prepare(load(Path(order["path"]), text=order["text"]))

        loop = asyncio.get_running_loop()
        try:
            self._prepared = await loop.run_in_executor(self._compiling, assembled)
        except ConfigErrors as errors:
            raise Refused(str(errors)) from errors
        return {"fingerprint": fingerprint(self._prepared.file, {f.name: f.digest for f in self._prepared.filters})}

    async def _commit(self, order: Message) -> Message:
        """generation; keys: what is listened on now, and `new` of it how many sockets come through the hatch."""
        prepared, self._prepared = self._prepared, None
        assert prepared is not None
        for key, number in order["new"].items():
            _, fds, _, _ = socket.recv_fds(self._hatch, 1, number)
            self._sockets[key] = [socket.socket(fileno=fd) for fd in fds]
        configure(level=LEVELS[prepared.file.config.log.level])
        self._generation = order["generation"]
        await self._server.commit(prepared, self._sockets)
        for key in set(self._sockets).difference(order["keys"]):
            for each in self._sockets.pop(key):
                each.close()
        return {}

    async def _abandon(self, order: Message) -> Message:
        if self._prepared is not None:
            self._server.abandon(self._prepared)
            self._prepared = None
        return {}

    async def _metrics(self, order: Message) -> Message:
        return {"families": self._server.metrics.families()}

    async def _filters(self, order: Message) -> Message:
        return {"filters": [asdict(each) for each in self._server.assembly.filters]}

    async def _caches(self, order: Message) -> Message:
        return {"caches": await self._server.caches()}

    async def _purge(self, order: Message) -> Message:
        """Answers with the names of the caches, or with why not: `bad` or `failed`."""
        try:
            return {"names": await self._server.purge(from_json(order["purge"]))}
        except BadPurge as error:
            return {"bad": str(error)}
        except OSError as error:
            return {"failed": str(error)}

    async def _upstreams(self, order: Message) -> Message:
        return {"upstreams": [asdict(each) for each in self._server.upstreams()]}

    async def _status(self, order: Message) -> Message:
        metrics = self._server.metrics
        return {
            "pid": os.getpid(),
            "generation": self._generation,
            "uptime": round(monotonic() - self._began, 3),
            "connections": metrics.connections(),
            "running": metrics.running(),
        }

    async def _dashboard(self, order: Message) -> Message:
        return self._server.dashboard(self._generation)

    async def _explain(self, order: Message) -> Message:
        asked = question(order["method"], order["url"], order["headers"])
        return {"story": await followed(self._server.handler, asked)}

    async def _record(self, order: Message) -> Message:
        """Exchanges are told as they end, as lines."""
        wanted = Wanted(order["share"], order["route"], frozenset(order["hidden"]))
        tape = self._tapes[order["number"]] = self._server.recorder.listen(wanted)
        playing = asyncio.create_task(self._play(order["number"], tape))
        self._playing.add(playing)
        playing.add_done_callback(self._playing.discard)
        return {}

    async def _play(self, number: int, tape: Pipe) -> None:
        with suppress(Refused, Lost):
            while lines := await tape.read():
                await self._tell({"do": "recorded", "number": number, "lines": lines.decode()})

    async def _stop_recording(self, order: Message) -> Message:
        if (tape := self._tapes.pop(order["number"], None)) is not None:
            tape.close()
        return {}

    async def _reopen_logs(self, order: Message) -> Message:
        self._server.reopen_logs()
        return {}


def fingerprint(file: ConfigFile, digests: dict[str, str]) -> str:
    """Two processes that read the same have the same."""
    said = file.config.model_dump_json() + repr(sorted(digests.items()))
    return hashlib.sha256(said.encode()).hexdigest()
