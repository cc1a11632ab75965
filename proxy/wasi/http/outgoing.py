"""What components ask of others: only origins they were granted, never into private networks by accident.

A name that was granted may still resolve to an address of this machine or its network, by mistake or by an attack
(DNS rebinding): such an address is only connected to when the grant names it itself, or names `localhost`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from dataclasses import replace
from ipaddress import ip_address
from typing import TypeVar

from proxy import errors
from proxy.errors import ProxyError
from proxy.exchange import Request, Response
from proxy.exchange.observation import observed
from proxy.http.fields import Fields
from proxy.http.proxy_status import PSEUDONYM
from proxy.upstream import Upstream
from proxy.upstream.connect import Connect, Endpoint, connect_clear
from proxy.upstream.connection import Connection
from proxy.wasi.addresses import destination, is_public
from proxy.wasi.http.timeouts import Timeouts
from proxy.wasi.http.visit import MAX_SUBREQUESTS, Visit, too_many_subrequests

MAX_PASSES = 4
"""How often a request may have come through components here that ask further: each time it may become many."""

P = TypeVar("P", bound=asyncio.Protocol)


class Outgoing:
    """Asks the origins, over connections that all visits share. Those that are `secure` are asked by `https:` alone,
    the others by `http:`; `connect` has to know how."""

    def __init__(self, origins: Collection[Endpoint], connect: Connect[Connection] = connect_clear) -> None:
        self._upstreams = {
            (origin.secure, origin.host.lower(), origin.port): Upstream(
                str(origin), [origin], connect=_guarded(origin.host, connect)
            )
            for origin in origins
        }

    async def send(self, visit: Visit, request: Request, timeouts: Timeouts) -> Response:
        upstream = self._upstream(request)
        visit.subrequests += 1
        if visit.subrequests > MAX_SUBREQUESTS:
            raise too_many_subrequests()
        outgoing = request.copy()
        observed(visit.request, ("header", "cdn-loop"))  # it goes on to the origin, or ends here
        outgoing.fields = _fields(request.fields, visit.request.fields)
        async with visit.running:
            return await timeouts.of(upstream.send(outgoing, timeouts.connect_by()))

    def _upstream(self, request: Request) -> Upstream:
        if request.scheme not in PORTS:
            raise ProxyError(errors.HTTP_REQUEST_DENIED, f"{request.scheme}:// is neither http:// nor https://")
        host, port = _host_and_port(request.authority, PORTS[request.scheme])
        upstream = self._upstreams.get((request.scheme == "https", host, port))
        if upstream is None:
            raise ProxyError(errors.HTTP_REQUEST_DENIED, f"{request.scheme}://{host}:{port} is not granted")
        return upstream

    def drain(self) -> None:
        for upstream in self._upstreams.values():
            upstream.drain()

    def close(self) -> None:
        for upstream in self._upstreams.values():
            upstream.close()


PORTS = {"http": 80, "https": 443}
"""RFC 9110 §4.2.1, §4.2.2."""


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    return host.strip("[]"), int(port or default)


def _fields(fields: Fields, incoming: Fields) -> Fields:
    """The fields as the origin gets them: `CDN-Loop` (RFC 8586) goes on with us in it."""
    before = incoming.all(b"cdn-loop")
    if sum(_is_ours(entry) for value in before for entry in value.split(b",")) >= MAX_PASSES:
        raise ProxyError(errors.PROXY_LOOP_DETECTED, f"the request came through {PSEUDONYM} {MAX_PASSES} times")
    sent = fields.copy()
    sent.set(b"cdn-loop", b", ".join([*before, PSEUDONYM.encode()]))
    return sent


def _is_ours(entry: bytes) -> bool:
    return entry.split(b";")[0].strip(b" \t") == PSEUDONYM.encode()


def _guarded(granted: str, connect: Connect[P]) -> Connect[P]:
    """Connects to addresses of the name that are public, or that the grant itself is."""

    async def connected(endpoint: Endpoint, protocol: Callable[[], P]) -> P:
        host, port = endpoint.host, endpoint.port
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise ProxyError(errors.DNS_ERROR, f"{host}: {error}") from error
        addresses = dict.fromkeys(str(info[4][0]) for info in found)
        allowed = [address for address in addresses if is_allowed(granted, address)]
        if not allowed:
            detail = f"{host} is {', '.join(addresses)}, which is not public: grant that address itself"
            raise ProxyError(errors.DESTINATION_IP_PROHIBITED, detail)
        for address in allowed[:-1]:
            try:
                return await connect(replace(endpoint, address=address), protocol)
            except ProxyError:
                continue
        return await connect(replace(endpoint, address=allowed[-1]), protocol)

    return connected


def is_allowed(granted: str, address: str) -> bool:
    """Whether a grant for this host reaches this address."""
    found = destination(ip_address(address.partition("%")[0]))
    if granted == "localhost":
        return found.is_loopback
    try:
        return ip_address(granted) == found
    except ValueError:
        return is_public(found)
