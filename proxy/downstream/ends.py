"""The two ends of a client's connection, as its transport has them."""

from __future__ import annotations

import asyncio
from ipaddress import IPv6Address


def client_address(transport: asyncio.BaseTransport) -> str:
    """Without port, and without the zone of a link-local one, which means nothing elsewhere (RFC 4007 §11); "unknown"
    (RFC 7239 §6.2) for a Unix socket's. A client of IPv4 has an address of IPv4, whatever the socket says."""
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple):
        return "unknown"
    address: str = peer[0]
    if ":" not in address:
        return address
    found = IPv6Address(address.partition("%")[0])
    return str(found.ipv4_mapped or found)


def own_authority(transport: asyncio.BaseTransport) -> str:
    """host:port of our end, for HTTP/1.0 requests that name none."""
    address = transport.get_extra_info("sockname")
    if not isinstance(address, tuple):
        return "localhost"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
