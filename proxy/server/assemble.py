"""From a configuration to what runs: programs, upstreams, stores, chains, routes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path as FilePath

from proxy import wasi
from proxy.admin import FilterState
from proxy.cache.disk import DiskStore
from proxy.cache.key import Keying
from proxy.cache.lookup import Exceptions
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Rules, SetCookie
from proxy.cache.store import Front
from proxy.cache.tiered import TieredStore
from proxy.chain import Match, Route, Stage, link
from proxy.component import Component, DecodeError, LinkError, decode
from proxy.config import model
from proxy.config.errors import ConfigError, ConfigErrors, Path, did_you_mean
from proxy.config.loader import ConfigFile
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.http.query import Names, QueryRule
from proxy.sandbox import Engine, Limits
from proxy.server.services import Served, environment, served, serves
from proxy.server.tls import Contexts, Identities, listener_contexts, listener_identities, upstream_contexts
from proxy.server.upstreams import Upstreams
from proxy.sluice.program import Program
from proxy.sluice.run import Run
from proxy.stages.cache import Cache
from proxy.stages.filter import Filter
from proxy.stages.forward import Forward
from proxy.stages.handle import Handle
from proxy.stages.respond import Respond
from proxy.stages.serve import Serve
from proxy.stages.timed import Timed
from proxy.telemetry import FilterTally, Metrics
from proxy.telemetry.tracing import Tracing
from proxy.upstream import Upstream
from proxy.upstream.dns import Resolver
from proxy.wasi.p3.http import Handler

Storage = tuple[str, int, model.Disk | None]
"""What the store of a cache is known by: its name, and how much there may be where."""


@dataclass(slots=True)
class Lasting:
    """What outlives a reload: the engine with its compiled code, the counters, the clock, and what caches store."""

    engine: Engine
    metrics: Metrics
    clock: Callable[[], float]
    send: Callable[[Request], Awaitable[Response]] | None = None
    """Answers in the place of every upstream, when given."""
    timed: bool = False
    """The time of each stage may be wanted."""
    tracing: Tracing | None = None
    disks: bool = False
    """Caches may use the disk; else they are in memory alone."""
    stores: dict[Storage, Front] = field(default_factory=dict)
    """One that is given another size begins empty, but for what is on disk."""
    upstreams: Upstreams = field(default_factory=Upstreams)
    """With their connections, and what is known of the health of endpoints."""

    def close(self) -> None:
        """Connections to upstreams are closed, and caches on disk written to the end."""
        self.upstreams.close()
        for store in self.stores.values():
            if isinstance(store, TieredStore):
                store.close()

    def forget(self, new: Assembly) -> None:
        """Let go of the caches and upstreams that the configuration now in effect does not name."""
        self.upstreams.keep(new.upstreams.values())
        chains = (route.chain for route in new.file.config.routes)
        named = {_storage(stage.cache) for chain in chains for stage in chain if isinstance(stage, model.CacheStage)}
        self.stores = {key: store for key, store in self.stores.items() if key in named}


@dataclass(slots=True)
class Assembly:
    """One configuration, ready to serve."""

    file: ConfigFile
    routes: list[Route] = field(default_factory=list)
    programs: dict[str, Program] = field(default_factory=dict)
    services: dict[str, Served] = field(default_factory=dict)
    upstreams: dict[str, Upstream] = field(default_factory=dict)
    caches: dict[tuple[str, str], Cache] = field(default_factory=dict)
    filters: list[FilterState] = field(default_factory=list)
    tls: Contexts = field(default_factory=dict)
    identities: Identities = field(default_factory=dict)

    def by_name(self) -> list[tuple[str, list[Cache]]]:
        """The stages that are one cache, together."""
        names = dict.fromkeys(cache.name for cache in self.caches.values())
        return [(name, [cache for cache in self.caches.values() if cache.name == name]) for name in names]

    def retire(self, successor: Assembly) -> None:
        """New exchanges no longer come; those under way are finished. What the successor took over goes on."""
        goes_on = set(successor._guests())
        for each in self._guests():
            if each not in goes_on:
                each.drain()

    def discard(self, other: Assembly) -> None:
        """Nothing came of it: let go of what is not the other's as well."""
        goes_on = set(other._guests())
        for each in self._guests():
            if each not in goes_on:
                each.close()

    def close(self) -> None:
        for upstream in self.upstreams.values():
            upstream.close()
        for each in self._guests():
            each.close()

    def _guests(self) -> Iterator[Served | Program]:
        yield from self.services.values()
        yield from self.programs.values()


def assemble(
    file: ConfigFile,
    lasting: Lasting,
    *,
    read: Callable[[FilePath], bytes] = FilePath.read_bytes,
    previous: Assembly | None = None,
) -> Assembly:
    """Compiles and links every filter, and links every chain. Raises ConfigErrors with all that is wrong; nothing
    listens and nothing is connected yet.

    read: gives what is in a component's file. previous: filters that are still the same, with what they remember, and
    upstreams, with their connections, are taken over from it. May be called in a thread of its own, while the previous
    one serves.
    """
    assembly = Assembly(file)
    resolver = lasting.upstreams.resolver(file.config.dns)
    errors: list[ConfigError] = []
    for name, declared in file.config.filters.items():
        try:
            error = partial(_in_filter, file, name)
            guest, digest = compiled(name, declared, lasting.engine, resolver, error, read, previous)
        except ConfigErrors as found:
            errors += found.errors
        else:
            if isinstance(guest, Served):
                assembly.services[name] = guest
            else:
                assembly.programs[name] = guest
            assembly.filters.append(FilterState(name, digest, "ready"))
    errors += [] if errors else _misplaced(assembly)
    errors += _open_stores(file, lasting)
    assembly.tls = listener_contexts(file, errors)
    assembly.identities = listener_identities(file, errors)
    clients = upstream_contexts(file, errors)
    if errors:
        raise ConfigErrors(errors)
    assembly.upstreams = lasting.upstreams.of(file.config, clients)
    for index, route in enumerate(file.config.routes):
        stages = [_taken(route.chain[at:], assembly, lasting) for at in range(len(route.chain))]
        assembly.routes.append(Route(route_name(index, route.match), _match(route.match), link(stages)))
    return assembly


def _in_filter(file: ConfigFile, name: str, option: Path, message: str) -> ConfigError:
    return file.error(("filters", name, *option), message)


def _misplaced(assembly: Assembly) -> Iterator[ConfigError]:
    """Components that stand where they can do nothing."""
    for index, route in enumerate(assembly.file.config.routes):
        for position, stage in enumerate(route.chain):
            path = ("routes", index, "chain", position)
            match stage:
                case model.FilterStage(filter=name) if _answers(assembly, name):
                    handler = assembly.services[name].handler
                    message = f"{name} answers by itself ({handler}.x): end the chain with `serve: {name}`"
                    yield assembly.file.error((*path, "filter"), message)
                case model.ServeStage(serve=name) if name in assembly.programs or not _answers(assembly, name):
                    message = f"{name} is a filter, it does not answer by itself: it goes before the end of a chain"
                    yield assembly.file.error((*path, "serve"), message)


def _answers(assembly: Assembly, name: str) -> bool:
    """Whether a component answers by itself."""
    return name in assembly.services and not assembly.services[name].passes


def compiled(
    name: str,
    declared: model.Filter,
    engine: Engine,
    resolver: Resolver,
    error: Callable[[Path, str], ConfigError],
    read: Callable[[FilePath], bytes] = FilePath.read_bytes,
    previous: Assembly | None = None,
) -> tuple[Program | Served, str]:
    """The component linked and ready, as what its exports make it, and the digest of its file. Raises ConfigErrors,
    each of which `error` makes of an option of the filter and a message."""
    if unknown := [error(("grants", index), message) for index, message in _unknown_grants(declared)]:
        raise ConfigErrors(unknown)
    try:
        data = read(declared.component)
        found = digest(data)
        if (same := _same_guest(name, declared, found, resolver, previous)) is not None:
            return same, found
        component = decode(data)
        if serves(component):
            return served(declared, component, engine, resolver), found
        return _program(name, declared, component, engine), found
    except (OSError, DecodeError, LinkError) as problem:
        raise ConfigErrors([error(("component",), f"{declared.component}: {problem}")]) from problem


def digest(component: bytes) -> str:
    """What a component's file is known by."""
    return f"sha256:{hashlib.sha256(component).hexdigest()}"


def _same_guest(
    name: str, declared: model.Filter, digest: str, resolver: Resolver, previous: Assembly | None
) -> Program | Served | None:
    if previous is None or previous.file.config.filters.get(name) != declared:
        return None
    if FilterState(name, digest, "ready") not in previous.filters:
        return None
    service = previous.services.get(name)
    return previous.programs[name] if service is None else service if service.resolver is resolver else None


def _unknown_grants(declared: model.Filter) -> Iterator[tuple[int, str]]:
    for index, grant in enumerate(declared.grants):
        if isinstance(grant, str) and grant not in wasi.GRANTS:
            hint = did_you_mean(grant, wasi.GRANTS) or f"; there are {', '.join(wasi.GRANTS)}"
            yield index, f"unknown grant {grant!r}{hint}"


def _program(name: str, declared: model.Filter, component: Component, engine: Engine) -> Program:
    named = [grant for grant in declared.grants if isinstance(grant, str)]
    detailed = [grant for grant in declared.grants if isinstance(grant, model.Grant)]
    if any(grant.model_fields_set - {"environment"} for grant in detailed):
        raise LinkError("is a filter: http, filesystem and sockets can be granted only to components that serve")
    if isinstance(declared.instance, model.Reuse):
        raise LinkError("is a component of sluice:filter: it has to be `instance: fresh` or `instance: pooled`")
    for needed, imported in wasi.needed(component.imports).items():
        if needed not in named:
            raise LinkError(f"imports {imported}, which has to be granted: add `grants: [{needed}]` to the filter")
    return Program(
        name,
        component,
        engine,
        config=declared.config,
        limits=Limits(memory=declared.limits.memory, time=declared.limits.time),
        pooled=declared.instance == "pooled",
        memo=declared.memo,
        more_imports=wasi.interfaces(named, environment=environment(detailed), impure=Run.taint, output=Run.print),
    )


def _taken(chain: Sequence[model.Stage], assembly: Assembly, lasting: Lasting) -> Stage:
    """The first stage of what is left of a chain, with a clock where one is wanted."""
    stage = _stage(chain, assembly, lasting)
    if not lasting.timed and lasting.tracing is None:
        return stage
    return Timed(stage, *stage_name(chain[0]), lasting.tracing)


def stage_name(stage: model.Stage) -> tuple[str, str]:
    """Its kind and its name."""
    match stage:
        case model.FilterStage(filter=name):
            return "filter", name
        case model.CacheStage(cache=cache):
            return "cache", cache.name
        case model.ForwardStage(forward=name):
            return "forward", name
        case model.ServeStage(serve=name):
            return "serve", name
        case model.RespondStage(respond=respond):
            return "respond", str(respond.status)


def _stage(chain: Sequence[model.Stage], assembly: Assembly, lasting: Lasting) -> Stage:
    """The first stage of what is left of a chain."""
    match chain[0]:
        case model.FilterStage(filter=name) | model.ServeStage(serve=name):
            guest = assembly.services.get(name) or assembly.programs[name]
            return guest_stage(name, guest, assembly.file.config.filters[name], lasting.metrics.filter(name))
        case model.CacheStage(cache=cache):
            # Where the same stages stand below, one cache serves: what one route is fetching, the others wait for.
            place = _place(chain[1:], assembly)
            if (cache.name, place) not in assembly.caches:
                assembly.caches[cache.name, place] = _cache(cache, place, lasting)
            return assembly.caches[cache.name, place]
        case model.ForwardStage(forward=name):
            return Forward(lasting.send or assembly.upstreams[name].send, name)
        case model.RespondStage(respond=respond):
            fields = Fields((name.lower().encode(), value.encode()) for name, value in respond.headers.items())
            return Respond(respond.status, fields, respond.body.encode())


def guest_stage(name: str, guest: Program | Served, declared: model.Filter, tally: FilterTally) -> Stage:
    """The stage that runs a component."""
    fail_open = declared.on_error == "fail_open"
    if isinstance(guest, Program):
        return Filter(guest, tally, fail_open=fail_open)
    if isinstance(guest.service, Handler):
        return Handle(name, guest.service, guest.client, tally, passes=guest.passes, fail_open=fail_open)
    return Serve(name, guest.service, guest.client, tally, guest.total)


def _place(below: Sequence[model.Stage], assembly: Assembly) -> str:
    """A digest of what the responses that a cache here stores were made by: entries of other filters, or of these with
    another configuration (before a reload, say), are not used. An upstream is its name: what its endpoints serve is
    the same, and more of them must not empty the caches."""
    config = assembly.file.config
    parts: list[object] = []
    for stage in below:
        parts.append(stage.model_dump(mode="json"))
        if isinstance(stage, model.FilterStage | model.ServeStage):
            name = stage.filter if isinstance(stage, model.FilterStage) else stage.serve
            parts.append(config.filters[name].model_dump(mode="json", include={"config", "grants"}))
            parts.append(next(state.digest for state in assembly.filters if state.name == name))
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _cache(declared: model.Cache, place: str, lasting: Lasting) -> Cache:
    return Cache(
        declared.name,
        lasting.stores[_storage(declared)],
        max_object_size=declared.max_object_size,
        clock=lasting.clock,
        rules=_rules(declared),
        keying=_keying(declared.key),
        exceptions=Exceptions(tuple(declared.bypass.cookies), tuple(declared.bypass.headers)),
        place=place,
        refreshed=lasting.metrics.refreshed,
    )


def _keying(declared: model.CacheKey) -> Keying:
    query = declared.query
    rule = QueryRule(Names.of(query.ignore), None if query.only is None else Names.of(query.only), query.sort)
    languages, vary = tuple(declared.languages), frozenset(declared.vary)
    return Keying(rule if rule != QueryRule() else None, languages, vary)


def _rules(declared: model.Cache) -> Rules:
    return Rules(
        ttl=declared.ttl,
        status_ttl=declared.status_ttl,
        stale_while_revalidate=declared.stale_while_revalidate,
        stale_if_error=declared.stale_if_error,
        set_cookie=SetCookie(declared.set_cookie),
        target_list=tuple(name.encode() for name in declared.target_list),
        strip_tags=declared.tag_headers == "strip",
    )


def _storage(declared: model.Cache) -> Storage:
    return declared.name, declared.max_size, declared.disk


def _open_stores(file: ConfigFile, lasting: Lasting) -> Iterator[ConfigError]:
    """Those of the caches that are new; what is wrong with their directories."""
    for index, route in enumerate(file.config.routes):
        for at, stage in enumerate(route.chain):
            if isinstance(stage, model.CacheStage) and _storage(stage.cache) not in lasting.stores:
                try:
                    lasting.stores[_storage(stage.cache)] = _store(stage.cache, lasting.disks)
                except OSError as error:
                    yield file.error(("routes", index, "chain", at, "cache", "disk", "path"), str(error))


def _store(declared: model.Cache, disks: bool) -> Front:
    memory = MemoryStore(declared.max_size)
    if declared.disk is None or not disks:
        return memory
    return TieredStore(memory, DiskStore(declared.disk.path / declared.name, declared.disk.max_size))


def _match(match: model.Match) -> Match:
    return Match(match.host, match.path, frozenset(match.methods) if match.methods else None)


def route_name(index: int, match: model.Match) -> str:
    """What a route is called in logs and metrics: its place in the file and what it matches."""
    parts = [*(match.methods or ()), *(part for part in (match.host, match.path) if part is not None)]
    return f"{index}:{' '.join(parts) or '*'}"
