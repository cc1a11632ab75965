"""Sockets to accept connections from."""

from __future__ import annotations

import socket
from typing import Any


def bind(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of the host; port 0 takes a free one. Nothing listens yet. OSError when it cannot be
    had."""
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, address in addresses(host, port):
            each = socket.socket(family, kind, protocol)
            bound.append(each)
            each.setblocking(False)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            each.bind(address)
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def addresses(host: str, port: int) -> list[tuple[int, int, int, tuple[Any, ...]]]:
    """Family, type, protocol and address of each socket that these stand for. OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in dict.fromkeys(found)]
