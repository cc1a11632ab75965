"""The two ends of a client's connection, as its transport has them."""

from __future__ import annotations

import asyncio


def client_address(transport: asyncio.BaseTransport) -> str:
    """Without port; "unknown" (RFC 7239 §6.2) for a Unix socket's."""
    peer = transport.get_extra_info("peername")
    return peer[0] if isinstance(peer, tuple) else "unknown"


def own_authority(transport: asyncio.BaseTransport) -> str:
    """host:port of our end, for HTTP/1.0 requests that name none."""
    address = transport.get_extra_info("sockname")
    if not isinstance(address, tuple):
        return "localhost"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
