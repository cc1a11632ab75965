"""The process that serves a configuration: listeners, admin, logs, signals, reload and drain."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import Callable
from pathlib import Path
from time import time
from typing import Any

import uvloop

from proxy import admin, telemetry
from proxy.cache.purge import Purge
from proxy.chain import Entry, Handler
from proxy.config import model
from proxy.config.errors import ConfigErrors
from proxy.config.loader import ConfigFile, load
from proxy.config.values import Address
from proxy.downstream import Limits, Listener, OnDone, Service, Timeouts, serve
from proxy.exchange import Request, Response
from proxy.http.query import Names
from proxy.sandbox import Engine
from proxy.server.assemble import Lasting, assemble
from proxy.server.cache_endpoints import cache_endpoints
from proxy.server.cache_view import seen
from proxy.server.dashboard import document
from proxy.server.operations import endpoints
from proxy.server.purge import carry_out
from proxy.server.recorder import Recorder
from proxy.server.samples import sample
from proxy.server.timing import ServerTiming, Traced
from proxy.server.watch import Watch
from proxy.telemetry import tracing

logger = logging.getLogger(__name__)

GRACE = 30.0
"""Seconds that running exchanges get to end when the process is asked to stop."""

REQUEST_LINE = 8 * 1024
"""Bytes of a request line, unless the whole header section is to be shorter."""


class Server:
    """One process's worth of a configuration. `start` binds, `drain` ends; `reload` changes what new exchanges meet."""

    def __init__(self, file: ConfigFile, engine: Engine, clock: Callable[[], float] = time) -> None:
        """Compiles and links; raises ConfigErrors. Nothing listens yet. clock: seconds since the epoch, for caches."""
        self.listeners: list[Listener] = []
        self.admin: Listener | None = None
        self.metrics = telemetry.Metrics(
            upstreams=self._upstreams,
            caches=self._cache_samples,
            connections=lambda: sum(listener.connections for listener in self.listeners),
            running=lambda: sum(listener.running for listener in self.listeners),
        )
        exporter = tracing.wanted()
        self._tracing = None if exporter is None else tracing.Tracing(tracing.provider(exporter))
        self._lasting = Lasting(
            engine, self.metrics, clock, timed=bool(file.config.server_timing), tracing=self._tracing, disks=True
        )
        self._assembly = assemble(file, self._lasting)
        self._entry = Entry(self._assembly.routes)
        self._handler = self._watched_entry(file.config)
        self._services: list[Service] = []
        self._on_done: OnDone = self.metrics.finished
        self._began = time()
        self._generation = 1
        self._recorder = Recorder(self._handler, self._place)
        self._sink: telemetry.Sink | None = None
        self._draining = False

    @property
    def config(self) -> model.Config:
        return self._assembly.file.config

    async def start(self) -> None:
        """Open the logs and the listeners. Raises OSError when an address cannot be had or a file not be written."""
        self._lasting.upstreams.keep(self._assembly.upstreams.values())
        on_done = self._on_done = self._telling()
        for index, declared in enumerate(self.config.listeners):
            self._services.append(self._service(declared, self._assembly.tls.get(index), on_done))
            self.listeners.append(await _listen(declared.address, self._services[-1]))
        if self.config.admin is not None:
            address = self.config.admin.address
            view = admin.View(
                filters=lambda: self._assembly.filters,
                upstreams=self._upstreams,
                draining=lambda: self._draining,
                metrics=self.metrics.render,
                config=lambda: self.config.model_dump(mode="json"),
            )
            watch = Watch(self._watched, asyncio.get_running_loop().call_later)
            more = {
                **endpoints(self._entry, self._recorder, lambda: self._dashboard() | watch.look()),
                **cache_endpoints(self.caches, self.purge),
            }
            handler = admin.Admin(view, address.host, self.config.admin.token, more)
            self.admin = await _listen(address, Service(handler))

    async def purge(self, purge: Purge) -> list[str]:
        """Of this process; see `carry_out`."""
        return await carry_out(purge, self._assembly.caches.values())

    async def caches(self) -> list[dict[str, object]]:
        """What is in the caches of this process, for people."""
        return [await seen(name, stages) for name, stages in self._assembly.by_name()]

    def _cache_samples(self) -> list[telemetry.CacheSample]:
        return [
            telemetry.CacheSample(name, store.count, store.size, store.disk_size, store.evictions)
            for name, stages in self._assembly.by_name()
            for store in (stages[0].store,)
        ]

    def reload(self, path: Path) -> None:
        """Let new exchanges meet what the file says now. Raises ConfigErrors, and all stays as it is.

        Listeners, admin and logs are those the process began with; a change of these needs a restart.
        """
        new = assemble(load(path), self._lasting)
        old, self._assembly = self._assembly, new
        self._generation += 1
        self._entry.routes = new.routes
        old.retire()  # the exchanges that run hold what they need of it, until they end
        self._lasting.forget(new)
        if [each.address for each in new.file.config.listeners] == [each.address for each in old.file.config.listeners]:
            for index, service in enumerate(self._services):
                if service.tls is not None and index in new.tls:
                    service.tls = new.tls[index]
        for part in ("listeners", "admin", "access_log", "log", "server_timing"):
            if getattr(old.file.config, part) != getattr(new.file.config, part):
                logger.warning("%s: a change of %s needs a restart", path, part)

    def _watched_entry(self, config: model.Config) -> Handler:
        """What answers requests: the entry, and around it what was asked to look at each exchange."""
        handler: Handler = self._entry
        if config.server_timing:
            handler = ServerTiming(handler, tuple(config.server_timing))
        return handler if self._tracing is None else Traced(handler, self._tracing)

    def _place(self, handler: Handler) -> None:
        """Let new exchanges be answered by it."""
        for service in self._services:
            service.handler = handler

    def _watched(self, also: OnDone | None) -> None:
        """Tell another function too of each exchange that is over, or none any more."""
        for service in self._services:
            service.on_done = self._on_done if also is None else _one_after_the_other(self._on_done, also)

    def _dashboard(self) -> dict[str, Any]:
        return document(self.config, self._assembly.filters, self.metrics, self._generation, self._began, time())

    def reopen_logs(self) -> None:
        """For log rotation."""
        if self._sink is not None:
            self._sink.reopen()

    async def drain(self, grace: float) -> None:
        """Take nothing new, let running exchanges end for up to `grace` seconds, then end them."""
        self._draining = True
        await asyncio.gather(*(listener.drain(grace) for listener in self.listeners))
        if self.admin is not None:
            await self.admin.drain(0)
        self._assembly.close()
        self._lasting.close()
        if self._tracing is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._tracing.close)
        if self._sink is not None:
            self._sink.close()

    def _service(self, declared: model.Listener, tls: ssl.SSLContext | None, on_done: OnDone) -> Service:
        limits = Limits(
            request_line=min(REQUEST_LINE, declared.max_header_size),
            field_section=declared.max_header_size,
            field_lines=declared.max_headers,
            body=declared.max_body,
        )
        timeouts = Timeouts(header=declared.header_timeout, body=declared.body_timeout, idle=declared.idle_timeout)
        return Service(
            self._handler,
            on_done,
            limits,
            timeouts,
            declared.max_connections,
            tuple(declared.protocols),
            tls,
            declared.proxy_protocol,
        )

    def _upstreams(self) -> list[telemetry.UpstreamSample]:
        return [sample(upstream) for upstream in self._assembly.upstreams.values()]

    def _telling(self) -> OnDone:
        """What is done with each finished exchange."""
        count: OnDone = self.metrics.finished
        if self._tracing is not None:
            count = _one_after_the_other(self._tracing.end, count)
        declared = self.config.access_log
        if declared is None:
            return count
        path = None if declared.to == "stdout" else Path(declared.to)
        self._sink = telemetry.Sink(path, asyncio.get_running_loop().call_later)
        return _one_after_the_other(count, telemetry.AccessLog(self._sink, _format(declared)).finished)


def _one_after_the_other(first: OnDone, second: OnDone) -> OnDone:
    def both(request: Request, response: Response, sent: int, complete: bool, seconds: float) -> None:
        first(request, response, sent, complete, seconds)
        second(request, response, sent, complete, seconds)

    return both


def _format(declared: model.AccessLog) -> telemetry.Format:
    if declared.format == "combined":
        line: telemetry.Format = telemetry.combined_line
    elif declared.fields is None and not declared.request_headers and not declared.response_headers:
        line = telemetry.json_line
    else:
        line = telemetry.selected(declared.fields, tuple(declared.request_headers), tuple(declared.response_headers))
    return telemetry.hiding(line, Names.of(declared.hide_params)) if declared.hide_params else line


async def _listen(address: Address, service: Service) -> Listener:
    try:
        return await serve((address.host, address.port), service)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {address}: {error.strerror}") from error


def serve_forever(file: ConfigFile, engine: Engine, on_ready: Callable[[Server], object]) -> None:
    """`run` on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(file, engine, on_ready))


async def run(file: ConfigFile, engine: Engine, on_ready: Callable[[Server], object]) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second one ends at once. SIGHUP reloads, and reopens log files.

    Raises ConfigErrors or OSError before anything is served.
    """
    server = Server(file, engine)
    await server.start()
    on_ready(server)
    stopped = asyncio.Event()
    forced = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        (forced if stopped.is_set() else stopped).set()

    def reload() -> None:
        server.reopen_logs()
        try:
            server.reload(file.path)
        except ConfigErrors as errors:
            logger.error("reload refused, everything stays as it is:\n%s", errors)
        else:
            logger.info("reloaded %s", file.path)

    loop.add_signal_handler(signal.SIGTERM, stop)
    loop.add_signal_handler(signal.SIGINT, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    await stopped.wait()
    logger.info("draining, for %d seconds at most", GRACE)
    draining = asyncio.ensure_future(server.drain(GRACE))
    await asyncio.wait((draining, asyncio.ensure_future(forced.wait())), return_when=asyncio.FIRST_COMPLETED)
    if not draining.done():
        draining.cancel()
        await server.drain(0)
