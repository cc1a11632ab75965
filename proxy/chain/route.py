"""What takes a request, and the chain it goes through then."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.chain.stage import Handler
from proxy.exchange import Request


@dataclass(frozen=True, slots=True)
class Match:
    """host: exact, or "*.example.com" for any host below it (without port, lower case); path: exact, or "/api/*" for
    any path that begins with "/api/"; methods: any of these. None matches everything."""

    host: str | None = None
    path: str | None = None
    methods: frozenset[str] | None = None

    def __call__(self, request: Request) -> bool:
        return (
            (self.methods is None or request.method in self.methods)
            and (self.path is None or _fits(self.path, request.path))
            and (self.host is None or _is_host(self.host, host_of(request.authority)))
        )


@dataclass(frozen=True, slots=True)
class Route:
    """name: for logs and metrics. handler: the linked chain."""

    name: str
    match: Match
    handler: Handler


def host_of(authority: str) -> str:
    """The host of an authority, without port; an IPv6 address keeps its brackets."""
    if authority.endswith("]"):
        return authority
    host, colon, _ = authority.rpartition(":")
    return host if colon else authority


def _fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("/*") else path == pattern


def _is_host(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) and len(host) >= len(pattern) if pattern.startswith("*.") else host == pattern
