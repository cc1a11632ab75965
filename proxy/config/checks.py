"""What must hold between options: names that exist, chains that end, routes that can be reached."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from proxy.config.errors import Finding, Path, did_you_mean, quoted
from proxy.config.model import (
    TERMINAL,
    Admin,
    Cache,
    CacheStage,
    FilterStage,
    ForwardStage,
    Listener,
    Match,
    Route,
    ServeStage,
    stage_kind,
)
from proxy.config.values import Address, SocketFile


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a file that are valid in themselves, by their index, and the names it declares."""

    listeners: Mapping[int, Listener]
    admin: Admin | None
    upstreams: Collection[str]
    filters: Collection[str]
    routes: Mapping[int, Route]


def check(draft: Draft) -> Iterator[Finding]:
    yield from _addresses(draft)
    yield from _names(draft)
    for index, route in draft.routes.items():
        yield from _order(("routes", index, "chain"), route)
    yield from _caches(draft.routes)
    yield from _unreachable(draft.routes)


def _addresses(draft: Draft) -> Iterator[Finding]:
    declared: list[tuple[Path, Listener | Admin]] = [
        (("listeners", index), listener) for index, listener in draft.listeners.items()
    ]
    if draft.admin is not None:
        address = draft.admin.address
        declared.append((("admin",), draft.admin))
        if draft.admin.token is None and not address.loopback:
            message = f"is required, because other machines can reach {address}; or listen on 127.0.0.1"
            yield Finding(("admin", "token"), message)
    seen: set[Address | SocketFile] = set()
    for path, each in declared:
        address = each.address
        if address in seen:
            yield Finding((*path, "address"), f"{address} is already listened on")
        if each.mode is not None and not isinstance(address, SocketFile):
            yield Finding((*path, "mode"), "is of the file of a Unix socket, and this address is none")
        if isinstance(address, SocketFile) or address.port != 0:  # which is another one each time
            seen.add(address)


def _names(draft: Draft) -> Iterator[Finding]:
    for index, route in draft.routes.items():
        for position, stage in enumerate(route.chain):
            path: Path = ("routes", index, "chain", position)
            match stage:
                case FilterStage(filter=name) if name not in draft.filters:
                    yield Finding((*path, "filter"), _unknown("filter", name, draft.filters))
                case ForwardStage(forward=name) if name not in draft.upstreams:
                    yield Finding((*path, "forward"), _unknown("upstream", name, draft.upstreams))
                case ServeStage(serve=name) if name not in draft.filters:
                    yield Finding((*path, "serve"), _unknown("filter", name, draft.filters))
                case _:
                    pass


def _unknown(kind: str, name: str, known: Collection[str]) -> str:
    return f"there is no {kind} {quoted(name)}" + (did_you_mean(name, known) or f"; declare it under {kind}s")


def _order(path: Path, route: Route) -> Iterator[Finding]:
    kinds = [stage_kind(stage) for stage in route.chain]
    for position, kind in enumerate(kinds[:-1]):
        if kind in TERMINAL:
            yield Finding((*path, position), f"{kind} must be the last stage; those after it are never reached")
    if kinds[-1] not in TERMINAL:
        yield Finding((*path, len(kinds) - 1), "the last stage of a chain must be forward, respond or serve")


def _caches(routes: Mapping[int, Route]) -> Iterator[Finding]:
    stores: dict[str, Cache] = {}
    for index, route in routes.items():
        for position, stage in enumerate(route.chain):
            if not isinstance(stage, CacheStage):
                continue
            cache, path = stage.cache, ("routes", index, "chain", position, "cache")
            if cache.max_object_size > cache.max_size:
                yield Finding((*path, "max_object_size"), "is more than max_size, the size of the whole cache")
            if not cache.name:
                continue
            first = stores.setdefault(cache.name, cache)
            for option in Cache.model_fields:
                if getattr(cache, option) != getattr(first, option):
                    yield Finding((*path, option), f"the cache {cache.name} is declared above with another {option}")


def _unreachable(routes: Mapping[int, Route]) -> Iterator[Finding]:
    """Looks the patterns up that would cover a route's, so that thousands of routes cost no more than each alone."""
    seen: dict[tuple[str | None, str | None], list[tuple[int, Match]]] = {}
    for index, route in routes.items():
        match = route.match
        wider = product(_wider_hosts(match.host), _wider_paths(match.path))
        covering = (earlier for each in wider for earlier, other in seen.get(each, ()) if _has_methods(other, match))
        first = min(covering, default=None)
        if first is not None:
            message = f"can never match: routes[{first}] takes every request that it would"
            yield Finding(("routes", index), message)
        seen.setdefault((match.host, match.path), []).append((index, match))


def _has_methods(wide: Match, narrow: Match) -> bool:
    return wide.methods is None or (narrow.methods is not None and set(narrow.methods) <= set(wide.methods))


def _wider_hosts(host: str | None) -> Iterator[str | None]:
    """Every pattern that matches all hosts that this one does."""
    yield None
    if host is not None:
        yield host
        rest = host.removeprefix("*.")
        while "." in rest:
            rest = rest.partition(".")[2]
            yield f"*.{rest}"


def _wider_paths(path: str | None) -> Iterator[str | None]:
    yield None
    if path is not None:
        yield path
        rest = path.removesuffix("/*")
        while rest:
            rest = rest.rpartition("/")[0]
            yield f"{rest}/*"
