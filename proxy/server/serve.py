"""One process's worth of a configuration: its listeners, its logs, and what they answer with."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from heapq import nsmallest
from operator import itemgetter
from pathlib import Path
from time import time
from typing import Any

from proxy import telemetry
from proxy.cache.purge import Purge
from proxy.chain import Entry, Handler
from proxy.config import model
from proxy.config.loader import ConfigFile
from proxy.downstream import ClientCert, Limits, Listener, OnDone, Service, Timeouts, serve
from proxy.downstream.descriptors import Descriptors
from proxy.downstream.refusals import Refusals
from proxy.exchange import Request, Response
from proxy.http.query import Names
from proxy.sandbox import Engine
from proxy.server.assemble import Assembly, Lasting, assemble
from proxy.server.cache_view import seen
from proxy.server.dashboard import document
from proxy.server.datagram_sockets import datagram_key
from proxy.server.purge import carry_out
from proxy.server.recorder import Recorder
from proxy.server.samples import sample
from proxy.server.sockets import Sockets, duplicates, keys
from proxy.server.timing import ServerTiming, Traced
from proxy.server.watch import Watch
from proxy.telemetry import tracing

REQUEST_LINE = 8 * 1024
"""Bytes of a request line, unless the whole header section is to be shorter."""


class Server:
    """What a worker runs. `start` listens, `drain` ends; `prepare` and `commit` change what new exchanges meet."""

    def __init__(
        self,
        file: ConfigFile,
        engine: Engine,
        clock: Callable[[], float] = time,
        read: Callable[[Path], bytes] = Path.read_bytes,
        place: int = 0,
    ) -> None:
        """Compiles and links; raises ConfigErrors. Nothing listens yet. clock: seconds since the epoch, for caches.
        read: gives what is in a component's file. place: which worker this is."""
        self._placed = place
        self._open: dict[str, Listener] = {}
        """By their sockets' keys."""
        self._retired: list[Listener] = []
        self.metrics = telemetry.Metrics(
            upstreams=self.upstreams,
            caches=self._cache_samples,
            connections=lambda: sum(listener.connections for listener in self._all()),
            running=lambda: sum(listener.running for listener in self._all()),
        )
        exporter = tracing.wanted()
        self._tracing = None if exporter is None else tracing.Tracing(tracing.provider(exporter))
        self._lasting = Lasting(
            engine, self.metrics, clock, timed=bool(file.config.server_timing), tracing=self._tracing, disks=True
        )
        self.assembly = assemble(file, self._lasting, read=read)
        self._entry = Entry(self.assembly.routes)
        self._handler = self._watched_entry(file.config)
        self._descriptors = Descriptors(
            {"upstream": self._lasting.upstreams.give_up, "downstream": self._give_up}, self.metrics.gave_up
        )
        self.recorder = Recorder(self._handler, self._place)
        self._on_done: OnDone = self.metrics.finished
        self._also: OnDone | None = None
        self._watch: Watch | None = None
        self._began = time()
        self._sink: telemetry.Sink | None = None

    @property
    def config(self) -> model.Config:
        return self.assembly.file.config

    @property
    def handler(self) -> Handler:
        """Answers requests as the listeners do."""
        return self._entry

    @property
    def listeners(self) -> list[Listener]:
        """In the order of the configuration."""
        return list(self._open.values())

    async def start(self, sockets: Sockets) -> None:
        """Open the logs, and accept from duplicates of the sockets of every listener. Raises OSError when a file cannot
        be written or somebody else listens there."""
        self._lasting.upstreams.keep(self.assembly.upstreams.values())
        self._begin_log()
        await self._listen({}, sockets)

    def prepare(self, file: ConfigFile) -> Assembly:
        """What `commit` is to put in effect. Raises ConfigErrors, and nothing has happened. May be called in another
        thread than all the rest."""
        self._lasting.timed = bool(file.config.server_timing)
        return assemble(file, self._lasting, previous=self.assembly)

    def abandon(self, prepared: Assembly) -> None:
        """It will not be committed."""
        self._lasting.timed = bool(self.config.server_timing)
        prepared.discard(self.assembly)
        self._lasting.forget(self.assembly)

    async def commit(self, prepared: Assembly, sockets: Sockets) -> None:
        """Let new exchanges meet what was prepared, and listen where it says. Those that run go on with what they began
        with; who is connected to a listener that is gone or has other options now is served once more there."""
        old, self.assembly = self.assembly, prepared
        self._entry.follow(prepared.routes)
        old.retire(prepared)
        if old.file.config.server_timing != self.config.server_timing:
            self.recorder.follow(self._watched_entry(self.config))
        self._lasting.forget(prepared)
        if old.file.config.access_log != self.config.access_log:
            await self._end_log()
            self._begin_log()
        declared = old.file.config.listeners
        await self._listen(dict(zip(keys(declared), declared, strict=True)), sockets)

    def _watched_entry(self, config: model.Config) -> Handler:
        """What answers requests: the entry, and around it what was asked to look at each exchange."""
        handler: Handler = self._entry
        if config.server_timing:
            handler = ServerTiming(handler, tuple(config.server_timing))
        return handler if self._tracing is None else Traced(handler, self._tracing)

    def _watched(self, also: OnDone | None) -> None:
        """Tell another function too of each exchange that is over, or none any more."""
        self._also = also
        for listener in self._all():
            listener.service.on_done = self._told()

    def _told(self) -> OnDone:
        return self._on_done if self._also is None else _one_after_the_other(self._on_done, self._also)

    def dashboard(self, generation: int) -> dict[str, Any]:
        """What the dashboard shows of this process."""
        if self._watch is None:
            self._watch = Watch(self._watched, asyncio.get_running_loop().call_later)
        shown = document(self.config, self.assembly.filters, self.metrics, generation, self._began, time())
        return shown | self._watch.look()

    async def purge(self, purge: Purge) -> list[str]:
        """Of this process; see `carry_out`."""
        return await carry_out(purge, self.assembly.caches.values())

    async def caches(self) -> list[dict[str, object]]:
        """What is in the caches of this process, for people."""
        return [await seen(name, stages) for name, stages in self.assembly.by_name()]

    def _cache_samples(self) -> list[telemetry.CacheSample]:
        return [
            telemetry.CacheSample(name, store.count, store.size, store.disk_size, store.evictions)
            for name, stages in self.assembly.by_name()
            for store in (stages[0].store,)
        ]

    def reopen_logs(self) -> None:
        """For log rotation."""
        if self._sink is not None:
            self._sink.reopen()

    async def retire(self, patience: float) -> None:
        """Accept nothing new; whoever is connected is served once more, in so many seconds."""
        for listener in self._open.values():
            listener.retire()
        left = [asyncio.ensure_future(listener.left()) for listener in self._all()]
        _, staying = await asyncio.wait(left, timeout=patience)
        for each in staying:
            each.cancel()

    async def drain(self, grace: float) -> None:
        """Take nothing new, let running exchanges end for up to `grace` seconds, then end them."""
        await asyncio.gather(*(listener.drain(grace) for listener in self._all()))
        self.assembly.close()
        self._lasting.close()
        if self._tracing is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._tracing.close)
        await self._end_log()

    async def _listen(self, before: Mapping[str, model.Listener], sockets: Sockets) -> None:
        """Listeners as they are declared now; `before`: as they were."""
        old, self._open = self._open, {}
        now = dict(zip(keys(self.config.listeners), self.config.listeners, strict=True))
        for key, listener in old.items():
            if before[key] != now.get(key):
                listener.retire()
                self._retired = [each for each in self._retired if each.connections] + [listener]
        for index, (key, declared) in enumerate(now.items()):
            tls, identity = self.assembly.tls.get(index), self.assembly.identities.get(index)
            if before.get(key) == declared:
                self._open[key] = old[key]
                old[key].service.client_cert = self._client_cert(declared)
                old[key].service.tls, old[key].service.identity = tls, identity  # its files may be others
            else:
                service = self._service(declared, tls)
                service.identity = identity
                datagrams = sockets.get(datagram_key(key), [])
                self._open[key] = await _listen(str(declared.address), sockets[key], service, datagrams, self._placed)

    def _place(self, handler: Handler) -> None:
        """Let new exchanges be answered by it."""
        self._handler = handler
        for listener in self._all():
            listener.service.handler = handler

    def _give_up(self, most: int) -> int:
        """Close so many idle connections of clients, those that are idle for longest. Returns how many there were."""
        idle = (each for listener in self._all() for each in listener.idle())
        longest = nsmallest(most, idle, key=itemgetter(0))
        for _, connection in longest:
            connection.drain()
        return len(longest)

    def _all(self) -> Sequence[Listener]:
        return [*self._open.values(), *self._retired]

    def _service(self, declared: model.Listener, tls: ssl.SSLContext | None) -> Service:
        limits = Limits(
            request_line=min(REQUEST_LINE, declared.max_header_size),
            field_section=declared.max_header_size,
            field_lines=declared.max_headers,
            body=declared.max_body,
        )
        timeouts = Timeouts(
            header=declared.header_timeout,
            body=declared.body_timeout,
            idle=declared.idle_timeout,
            tunnel=declared.tunnel_timeout,
        )
        return Service(
            self._handler,
            self._told(),
            limits,
            timeouts,
            declared.max_connections,
            tuple(declared.protocols),
            tls,
            declared.proxy_protocol,
            declared.max_exchanges,
            self._client_cert(declared),
            refusals=Refusals(str(declared.address), self.metrics.refused),
            descriptors=self._descriptors,
        )

    def _client_cert(self, declared: model.Listener) -> ClientCert:
        """An origin that believes what one listener says is behind the others as well."""
        if declared.tls is not None and declared.tls.forward_client_cert:
            return ClientCert.TOLD
        told = any(each.tls is not None and each.tls.forward_client_cert for each in self.config.listeners)
        return ClientCert.STRIPPED if told else ClientCert.PASSED

    def upstreams(self) -> list[telemetry.UpstreamSample]:
        """At this time."""
        return [sample(upstream) for upstream in self.assembly.upstreams.values()]

    def _begin_log(self) -> None:
        self._on_done = self._telling()
        for listener in self._all():
            listener.service.on_done = self._told()

    async def _end_log(self) -> None:
        if self._sink is not None:
            await asyncio.to_thread(self._sink.close)
            self._sink = None

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


async def _listen(
    address: str,
    sockets: Sequence[socket.socket],
    service: Service,
    datagrams: Sequence[socket.socket],
    place: int,
) -> Listener:
    try:
        return await serve(duplicates(sockets), service, duplicates(datagrams), place)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {address}: {error.strerror}") from error
