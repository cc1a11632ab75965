"""The options of sockets, by the names that WIT has for them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from proxy.wasi.clocks import NANOSECONDS
from proxy.wasi.sockets.errors import SocketFailed
from proxy.wasi.sockets.network import OpenSocket

MAX_BUFFER = 1 << 20
"""Bytes of the kernel's for one direction of a socket. Linux takes twice as many, and tells of them (socket(7))."""

MAX_SECONDS = 32767
MAX_COUNT = 127
"""Of keep-alive, in Linux."""


class Sock(Protocol):
    family: str
    opened: OpenSocket


Get = Callable[[Sock], object]
Set = Callable[[Sock, int], object]


def _option(level: int, name: int, *, most: int, unit: int = 1, told: int = 1) -> tuple[Get, Set]:
    """unit: how much of what the guest says is one of the system's, rounded up. told: how many it tells for one."""

    def get(sock: Sock) -> int:
        return sock.opened.option(level, name) // told * unit

    def set(sock: Sock, value: int) -> None:
        if value == 0:
            raise SocketFailed("invalid-argument")
        sock.opened.option(level, name, min(-(-value // unit), most))

    return get, set


def _keep_alive(sock: Sock) -> bool:
    return bool(sock.opened.option(socket.SOL_SOCKET, socket.SO_KEEPALIVE))


def _set_keep_alive(sock: Sock, value: int) -> None:
    sock.opened.option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(value))


_HOPS = {
    "ipv4": _option(socket.IPPROTO_IP, socket.IP_TTL, most=255),
    "ipv6": _option(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, most=255),
}
HOP_LIMIT: tuple[Get, Set] = (
    lambda sock: _HOPS[sock.family][0](sock),
    lambda sock, value: _HOPS[sock.family][1](sock, value),
)

BUFFERS: dict[str, tuple[Get, Set]] = {
    "receive-buffer-size": _option(socket.SOL_SOCKET, socket.SO_RCVBUF, most=MAX_BUFFER, told=2),
    "send-buffer-size": _option(socket.SOL_SOCKET, socket.SO_SNDBUF, most=MAX_BUFFER, told=2),
}
TCP: dict[str, tuple[Get, Set]] = {
    "keep-alive-enabled": (_keep_alive, _set_keep_alive),
    "keep-alive-idle-time": _option(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, most=MAX_SECONDS, unit=NANOSECONDS),
    "keep-alive-interval": _option(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, most=MAX_SECONDS, unit=NANOSECONDS),
    "keep-alive-count": _option(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, most=MAX_COUNT),
    "hop-limit": HOP_LIMIT,
    **BUFFERS,
}
UDP: dict[str, tuple[Get, Set]] = {"unicast-hop-limit": HOP_LIMIT, **BUFFERS}
