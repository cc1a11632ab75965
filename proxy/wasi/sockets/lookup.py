"""Looking names up for guests: those that were granted, and of their addresses those that may be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from ipaddress import IPv6Address, ip_address
from typing import Any

from proxy import errors
from proxy.config.values import server_name
from proxy.errors import ProxyError
from proxy.wasi.addresses import Address
from proxy.wasi.sockets.errors import SocketFailed
from proxy.wasi.sockets.network import MAX_LOOKUPS, Held, Network

Addresses = Coroutine[Any, Any, list[Address]]


def addresses_of(network: Network, held: Held, name: str) -> list[Address] | Addresses:
    """At least one, at once where the name is an address. From then on the exchange may connect to them as what the
    name is. Raises SocketFailed, at once where nobody has to be asked."""
    literal = _literal(name)
    if literal is not None:
        return [literal]
    host = _host(name)
    if host not in network.names:
        raise held.refuse(f"to look up {host}")
    held.lookups += 1
    if held.lookups > MAX_LOOKUPS:
        raise SocketFailed("temporary-resolver-failure")
    return _looked_up(network, held, host)


async def _looked_up(network: Network, held: Held, host: str) -> list[Address]:
    # In a task of its own, as the look-up has its timeout, and a call of a guest is begun in none.
    answer = await asyncio.get_running_loop().create_task(_answer(network, host))
    found = [address for address in answer if _covered(network, address, host)]
    if not found:
        raise held.refuse(f"{host}, which is {', '.join(map(str, answer))},")
    for address in found:
        held.found(host, address)
    return found


def _covered(network: Network, address: Address, host: str) -> bool:
    return network.tcp.covers(address, None, {host}) or network.udp.covers(address, None, {host})


async def _answer(network: Network, host: str) -> list[Address]:
    try:
        answer = await network.resolver.lookup(host)
    except ProxyError as error:
        late = error.failure is errors.DNS_TIMEOUT
        raise SocketFailed("temporary-resolver-failure" if late else "name-unresolvable") from error
    return list(dict.fromkeys(_plain(ip_address(each.partition("%")[0])) for each in answer.addresses))


def _literal(name: str) -> Address | None:
    try:
        return _plain(ip_address(name))
    except ValueError:
        return None


def _plain(address: Address) -> Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _host(name: str) -> str:
    """In ASCII, as names are granted."""
    try:
        return server_name(name.removesuffix(".").encode("idna").decode())
    except (ValueError, UnicodeError):
        raise SocketFailed("invalid-argument") from None
