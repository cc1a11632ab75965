"""Upstreams, from a configuration, and from one to the next."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from proxy.config import model
from proxy.config.upstreams import Dns, WeightedEndpoint
from proxy.config.upstreams import Hash as HashedBy
from proxy.config.upstreams import HealthCheck as DeclaredCheck
from proxy.config.upstreams import Upstream as Declared
from proxy.exchange import Request
from proxy.exchange.observation import value_of
from proxy.server.tls import Clients, said_in
from proxy.upstream import Connect, Endpoint, Limits, Origin, Policy, Upstream
from proxy.upstream.balance import Balance, ConsistentHash, LeastRequests, RoundRobin
from proxy.upstream.checks import Check
from proxy.upstream.connect import connect_clear
from proxy.upstream.connection import Connection
from proxy.upstream.dns import Resolver
from proxy.upstream.health import Ejection, Thresholds
from proxy.upstream.retry import Retries
from proxy.upstream.secure import Secured

Known = tuple[str, str]
"""An upstream by its name and all that is declared of it, with what its files hold."""


class Upstreams:
    """Those of the configurations so far. One that is declared as it was before a reload is the same one after it: with
    its connections, and with what is known of its endpoints."""

    def __init__(self) -> None:
        self._known: dict[Known, Upstream] = {}
        self._resolvers: dict[str, Resolver] = {}

    def of(self, config: model.Config, clients: Clients) -> dict[str, Upstream]:
        """By name. Nothing is connected yet. clients: what to shake hands with."""
        resolver = self.resolver(config.dns)
        found: dict[str, Upstream] = {}
        for name, declared in config.upstreams.items():
            key = _key(name, declared, config.dns)
            if key not in self._known:
                self._known[key] = _upstream(name, declared, resolver, clients.get(name))
            found[name] = self._known[key]
        return found

    def resolver(self, declared: Dns) -> Resolver:
        """The one for what is declared of look-ups."""
        return self._resolvers.setdefault(declared.model_dump_json(), _resolver(declared))

    def keep(self, kept: Iterable[Upstream]) -> None:
        """These begin, or go on; the others end with the exchanges that use them."""
        ids = set(map(id, kept))
        for key, upstream in tuple(self._known.items()):
            if id(upstream) in ids:
                upstream.start()
            else:
                upstream.drain()
                del self._known[key]

    def give_up(self, most: int) -> int:
        """Close so many idle connections to origins. Returns how many there were."""
        given_up = 0
        for upstream in self._known.values():
            given_up += upstream.give_up(most - given_up)
        return given_up

    def close(self) -> None:
        for upstream in self._known.values():
            upstream.close()
        for resolver in self._resolvers.values():
            resolver.close()


def _key(name: str, declared: Declared, dns: Dns) -> Known:
    files = said_in([declared.tls.ca, declared.tls.certificate, declared.tls.key])
    return name, declared.model_dump_json() + dns.model_dump_json() + files.hex()


def _resolver(declared: Dns) -> Resolver:
    return Resolver([str(server) for server in declared.nameservers])


def _upstream(name: str, declared: Declared, resolver: Resolver, tls: ssl.SSLContext | None) -> Upstream:
    endpoints = [_endpoint(each) for each in declared.weighted]
    http2 = declared.protocol == "h2"
    connect: Connect[Connection] = connect_clear if tls is None else Secured(tls, declared.tls.server_name, http2)
    limits = Limits(
        max_connections=declared.max_connections,
        max_waiting=declared.max_waiting,
        connect_timeout=declared.connect_timeout,
        response_timeout=declared.response_timeout,
        body_timeout=declared.body_timeout,
        idle_timeout=declared.idle_timeout,
        http2=http2,
    )
    return Upstream(name, endpoints, limits, connect, policy=_policy(declared), lookup=resolver.lookup)


def _endpoint(declared: WeightedEndpoint) -> Endpoint:
    url = declared.url
    return Endpoint(url.host, url.port, weight=declared.weight, secure=url.secure, path=url.path)


def _policy(declared: Declared) -> Policy:
    ejected, retries = declared.outlier_detection, declared.retries
    return Policy(
        balance=_BALANCES[declared.balance](declared.hash),
        hash_on=partial(_hashed, declared.hash) if declared.balance == "consistent_hash" else None,
        retries=Retries(retries.attempts, frozenset(retries.statuses), retries.budget),
        ejection=Ejection(
            failures=ejected.consecutive_failures,
            errors=ejected.consecutive_5xx,
            first=ejected.base_ejection_time,
            longest=max(ejected.base_ejection_time, ejected.max_ejection_time),
            share=ejected.max_ejection_percent,
        ),
        check=None if declared.health_check is None else _check(declared.health_check),
        slow_start=declared.slow_start,
    )


_BALANCES: dict[str, Callable[[HashedBy], Callable[[], Balance[Origin]]]] = {
    "round_robin": lambda _: RoundRobin,
    "least_requests": lambda _: LeastRequests,
    "consistent_hash": lambda hash: lambda: ConsistentHash(hash.max_load),
}


def _hashed(declared: HashedBy, request: Request) -> bytes | None:
    """What of a request the hash is of. None where it has no such header or cookie."""
    match declared.on:
        case "uri":
            return f"{request.authority}{request.target}".encode()
        case "client_address":
            return request.exchange.client.encode()
        case "header" | "cookie" as kind:
            name = declared.name or ""
            value = value_of(request, (kind, name.lower() if kind == "header" else name))
            return None if value is None else str(value).encode()


def _check(declared: DeclaredCheck) -> Check:
    return Check(
        target=declared.path,
        statuses=_statuses(declared.expected_statuses),
        authority=declared.host,
        interval=declared.interval,
        timeout=declared.timeout,
        thresholds=Thresholds(declared.unhealthy_threshold, declared.healthy_threshold),
    )


def _statuses(patterns: Sequence[str]) -> frozenset[int]:
    return frozenset(status for status in range(200, 600) if {f"{status}", f"{status // 100}xx"} & {*patterns})
