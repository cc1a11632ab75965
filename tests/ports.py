"""A port for a process that must be told one, and cannot say which the kernel gave it; or one where nobody is.

Below the range that the kernel takes ports from for `bind(0)` and for clients (net.ipv4.ip_local_port_range begins at
32768): between here and the process's own bind, no other test can get it by chance.
"""

from __future__ import annotations

import random
import socket

PORTS = range(10240, 32768)
_random = random.SystemRandom()
"""Not the one that pytest's plugins seed, which would give the same ports to each worker."""


def free_port() -> int:
    """Nobody has it at any address of IPv4, neither of TCP nor of UDP."""
    while True:
        port = _random.choice(PORTS)
        if _can_bind(port, socket.SOCK_STREAM) and _can_bind(port, socket.SOCK_DGRAM):
            return port


def _can_bind(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:  # connections that have ended take up no port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True
