"""The process that is started: it holds the sockets, keeps the workers, and answers on the admin listener.

It never runs a thread, an engine or uvloop, so that it can fork at any time.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from proxy import admin
from proxy.cache.purge import Purge
from proxy.config import model
from proxy.config.values import Address
from proxy.downstream import Listener, Service, serve
from proxy.server.cache_endpoints import cache_endpoints
from proxy.server.changes import INTERVAL, Changes, stamps
from proxy.server.channel import Lost, Refused
from proxy.server.crew import Crew, wanted_workers
from proxy.server.datagram_sockets import are_datagrams
from proxy.server.inherited import activated, handed_over
from proxy.server.notify import ALIVE, READY, STOPPING, main_is, notify, reloading, watchdog_interval
from proxy.server.operations import Operations
from proxy.server.reloading import read, reload
from proxy.server.sockets import ADMIN, Sockets, bind, close, duplicates, keys, permit
from proxy.server.succession import Succession
from proxy.server.takeover import start_successor, take_before
from proxy.server.watching import endpoints
from proxy.server.worker import GRACE
from proxy.telemetry import configure, tracing
from proxy.telemetry.app_log import LEVELS
from proxy.tls import tickets

logger = logging.getLogger(__name__)

R = TypeVar("R")

Announce = Callable[[str, str], object]
"""Is told what it is that listens, "listening" or "admin", and its URL, or unix:/path."""


def supervise(path: Path, announce: Announce, *, watch: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second one ends at once. SIGHUP reloads, and reopens log files.
    SIGUSR2 has a new process take over. watch: reload when a file of the configuration changes.

    Raises Refused before anything is served.
    """
    _raise_limit()
    asyncio.run(Supervisor(path).run(announce, watch=watch))


class Supervisor:
    def __init__(self, path: Path) -> None:
        """Raises Refused when the file is wrong, or an address cannot be had."""
        self._path = path
        self._before = take_before(os.environ)
        given, self._files = handed_over(os.environ)
        generation = read(path, 1)
        self._changes = Changes(stamps(generation.file))
        _check_tracing()
        config = generation.file.config
        configure(level=LEVELS[config.log.level])
        try:
            given = given or activated(os.environ, config)
            sockets = bind(config, given, self._files, wanted_workers(config))
        except OSError as error:
            raise Refused(str(error)) from error
        self._given = given
        self._crew = Crew(generation, sockets)
        self._operations = Operations(self._crew, self._reload_asked_for)
        self._succession = Succession(self._operations.purge_workers)
        self._changing = asyncio.Lock()
        self._gently = False
        """Another process serves meanwhile, so there is time."""
        self._succeeded = False
        """Another process has the sockets too, and serves or is about to."""
        self._admin: Listener | None = None
        self._admin_as: model.Admin | None = None
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, announce: Announce, *, watch: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGCHLD, self._crew.reap)
        if self._before is not None:
            await self._succession.follow(self._before)
        try:
            await self._crew.size(wanted_workers(self._crew.generation.file.config))
        except (Refused, Lost) as error:
            await self._crew.stop()
            close(self._crew.sockets, keep=self._given, files=self._files)
            raise Refused(str(error)) from error
        close(self._given, keep=self._crew.sockets, files=self._files)
        permit(self._crew.generation.file.config, self._files)
        await self._serve_admin()
        stopped = asyncio.Event()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self._stop, stopped)
        loop.add_signal_handler(signal.SIGHUP, self._do, self._hang_up)
        loop.add_signal_handler(signal.SIGUSR2, self._do, lambda: self._restart(stopped))
        for name, url in _addresses(self._crew.generation.file.config, self._crew.sockets):
            announce(name, url)
        notify(READY)
        await self._succession.serves()
        if interval := watchdog_interval():
            self._do(lambda: self._show_life(interval))
        if watch:
            self._do(self._watch)
        self._do(tickets.forget_in_time)  # a worker that is to replace another has them from here
        await stopped.wait()
        await self._drain()

    def _stop(self, stopped: asyncio.Event) -> None:
        if stopped.is_set():
            self._crew.hurry()
        stopped.set()

    def _do(self, work: Callable[[], Coroutine[Any, Any, R]]) -> asyncio.Task[R]:
        task = asyncio.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _hang_up(self) -> None:
        with suppress(Refused):
            await self._crew.ask({"do": "reopen logs"})
        await self.reload()

    async def reload(self) -> str | None:
        """What is wrong, or None when it is done."""
        async with self._changing:
            began = monotonic()
            notify(reloading())
            try:
                await reload(self._crew, self._path, self._files)
                await self._serve_admin()
            except (Refused, Lost) as error:
                self._operations.reloads["failure"] += 1
                logger.error("reload refused, everything stays as it is:\n%s", error)
                return str(error)
            finally:
                notify(READY)
            self._operations.reloads["success"] += 1
            configure(level=LEVELS[self._crew.generation.file.config.log.level])
            logger.info("reloaded %s in %.0f ms", self._path, (monotonic() - began) * 1000)
            return None

    async def _reload_asked_for(self) -> str | None:
        """`reload`, which goes on when who has asked for it leaves."""
        return await asyncio.shield(self._do(self.reload))

    async def _restart(self, stopped: asyncio.Event) -> None:
        async with self._changing:
            if stopped.is_set():
                return
            self._succeeded = True
            try:
                successor = await start_successor(self._crew.sockets, self._files, self._succession)
            except Refused as error:
                self._succeeded = False
                if stopped.is_set():
                    self._files.remove_all()
                logger.error("restart refused: %s", error)
                return
            logger.info("process %d serves from now on", successor)
            notify(main_is(successor))
            self._gently = True
            stopped.set()

    async def _show_life(self, interval: float) -> None:
        """While there is a worker that answers."""
        while True:
            with suppress(Refused):
                if await self._crew.ask({"do": "status"}):
                    notify(ALIVE)
            await asyncio.sleep(interval)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            if self._changes.settled(stamps(self._crew.generation.file)):
                await self.reload()

    async def _purge(self, purge: Purge) -> list[str]:
        """Here, and in the processes that serve at the same time."""
        names = await self._operations.purge(purge)
        await self._succession.purge(purge)
        return names

    async def _serve_admin(self) -> None:
        """As the configuration says now."""
        declared = self._crew.generation.file.config.admin
        if declared == self._admin_as:
            return
        if self._admin is not None:
            self._admin.retire()
            self._admin = None
        if declared is not None:
            seen = endpoints(self._crew, self._crew.recordings)
            more = {**seen, **cache_endpoints(self._operations.caches, self._purge)}
            handler = admin.Admin(self._operations.view(), declared.address.loopback, declared.token, more)
            sockets = self._crew.sockets[f"{ADMIN} {declared.address}"]
            self._admin = await serve(duplicates(sockets), Service(handler))
        self._admin_as = declared

    async def _drain(self) -> None:
        logger.info("draining, for %d seconds at most", GRACE)
        if not self._gently:
            notify(STOPPING)
        self._operations.draining = True
        close(self._crew.sockets, files=None if self._succeeded else self._files)
        if self._admin is not None and self._gently:
            self._admin.retire()
        await self._crew.stop(gently=self._gently)
        if self._admin is not None:
            await self._admin.drain(0)
        self._succession.close()


def _check_tracing() -> None:
    try:
        tracing.wanted()
    except tracing.TracingError as error:
        raise Refused(str(error)) from error


def _addresses(config: model.Config, sockets: Sockets) -> list[tuple[str, str]]:
    """What listens, and where each socket of it is."""
    secure = {key for key, listener in zip(keys(config.listeners), config.listeners, strict=True) if listener.tls}
    found = []
    for key, each in sockets.items():
        if are_datagrams(key):
            continue
        name = "admin" if key.startswith(f"{ADMIN} ") else "listening"
        for one in each:
            where = one.getsockname()
            scheme = "https" if key in secure else "http"
            found.append((name, f"unix:{where}" if isinstance(where, str) else f"{scheme}://{Address(*where[:2])}"))
    return found


def _raise_limit() -> None:
    """As many connections as this process is allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
