"""A port for a process that must be told one, and cannot say which the kernel gave it.

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
    while True:
        port = _random.choice(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if _can_bind(probe, port):
                return port


def _can_bind(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
