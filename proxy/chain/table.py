"""The routes of a configuration, so that a request finds its own without being compared with all of them.

Each route stands under its host and path as they are written. A request looks under all that could be its own: its
host and the ends of it, its path and the beginnings of it, and what names neither. There are as many of these as there
are different lengths, of `*.` hosts and of `/*` paths, not as many as there are routes. Among what it finds the order
of the YAML decides: the first route that matches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from proxy.chain.route import Match, Route, host_of
from proxy.exchange import Request

_Numbered = list[tuple[int, Route]]
"""Routes with their places in the YAML, in order."""

_EVERYTHING = Match()


class RouteTable:
    def __init__(self, routes: Sequence[Route]) -> None:
        self._all = routes[0] if routes and routes[0].match == _EVERYTHING else None
        self._any_host = _Paths()
        self._hosts: dict[str, _Paths] = {}
        self._domains: dict[str, _Paths] = {}
        for number, route in enumerate(routes):
            self._under(route.match.host).add(number, route)
        self._lengths = sorted({len(domain) for domain in self._domains})
        self._past_the_end = len(routes)

    def _under(self, host: str | None) -> _Paths:
        if host is None:
            return self._any_host
        if host.startswith("*."):
            return self._domains.setdefault(host[1:], _Paths())
        return self._hosts.setdefault(host, _Paths())

    def choose(self, request: Request) -> Route | None:
        """The first route that matches."""
        if self._all is not None:
            return self._all
        chosen, best = None, self._past_the_end
        for paths in self._of_host(request.authority):
            for numbered in paths.of(request.path):
                for number, route in numbered:
                    if number > best:
                        break
                    if route.match(request):
                        chosen, best = route, number
                        break
        return chosen

    def _of_host(self, authority: str) -> Iterator[_Paths]:
        yield self._any_host
        if self._hosts or self._domains:
            host = host_of(authority)
            if (exact := self._hosts.get(host)) is not None:
                yield exact
            for length in self._lengths:
                if (domain := self._domains.get(host[-length:])) is not None:
                    yield domain


class _Paths:
    """Routes of one host, by path."""

    __slots__ = ("_any", "_exact", "_lengths", "_prefixes")

    def __init__(self) -> None:
        self._any: _Numbered = []
        self._exact: dict[str, _Numbered] = {}
        self._prefixes: dict[str, _Numbered] = {}
        self._lengths: list[int] = []

    def add(self, number: int, route: Route) -> None:
        self._listed(route.match.path).append((number, route))

    def _listed(self, path: str | None) -> _Numbered:
        if path is None:
            return self._any
        if not path.endswith("/*"):
            return self._exact.setdefault(path, [])
        prefix = path[:-1]
        if len(prefix) not in self._lengths:
            self._lengths.append(len(prefix))
        return self._prefixes.setdefault(prefix, [])

    def of(self, path: str) -> Iterator[_Numbered]:
        """What could take a path."""
        yield self._any
        if (exact := self._exact.get(path)) is not None:
            yield exact
        for length in self._lengths:
            if (prefixed := self._prefixes.get(path[:length])) is not None:
                yield prefixed
