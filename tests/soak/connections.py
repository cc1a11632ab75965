"""Many connections: `python -m tests.soak.connections [IDLE] [SLOW]`; 10,000 idle ones and 1,000 slow ones by default.

The idle ones have asked once and stay. A third of the slow ones sends the head of a request byte by byte, a third the
body, and a third asks for a lot and does not read. Meanwhile a client is to be answered. Prints what an idle connection
takes of the proxy's memory, and how long that client waited. Exit status 1 when it was not answered each time.
"""

from __future__ import annotations

import resource
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from statistics import median

from tests.patience import PATIENCE
from tests.server.process import Process, config, respond, running
from tests.soak.reloads import held

PROBES = 100
INTERVAL = 0.05
"""Seconds between two probes, and between two bytes of each slow client."""

HEAD = b"GET / HTTP/1.1\r\nhost: soak.example\r\nx-slow: " + b"x" * 1000
BODY = b"POST / HTTP/1.1\r\nhost: soak.example\r\ncontent-length: 1000\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nhost: soak.example\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """per_idle: bytes of the worker's memory. waits: seconds of each probe. failed: probes that had no answer."""

    idle: int
    slow: int
    per_idle: float
    per_slow: float
    waits: list[float]
    failed: int


def soak(directory: Path, idle: int, slow: int, probes: int = PROBES) -> Outcome:
    most = idle + slow + 100
    listener = {"address": "127.0.0.1:0", "max_connections": most, "idle_timeout": "10m", "header_timeout": "10m"}
    large = {"match": {"path": "/large"}, "chain": respond("x" * 1_000_000)}
    path = config(
        directory,
        respond("ok"),
        listeners=[listener],
        admin={"address": "127.0.0.1:0"},
        routes=[large, {"chain": respond("ok")}],
    )
    with running(path) as proxy, ExitStack() as open_now:
        pid = proxy.workers()[0]["pid"]
        assert proxy.get()[0] == 200
        before = held(pid).resident
        _connect(proxy, open_now, idle, b"GET / HTTP/1.1\r\nhost: soak.example\r\n\r\n", read=True)
        settled = held(pid).resident
        heads = _connect(proxy, open_now, slow // 3, HEAD[:20])
        bodies = _connect(proxy, open_now, slow // 3, BODY)
        _connect(proxy, open_now, slow - 2 * (slow // 3), LARGE, small=True)
        waits = list(_probe(proxy, heads, bodies, probes))
        assert proxy.workers()[0]["connections"] >= idle + slow, "connections were lost"
        after = held(pid).resident
    answered = [each for each in waits if each is not None]
    return Outcome(
        idle, slow, (settled - before) / max(idle, 1), (after - settled) / max(slow, 1), answered,
        len(waits) - len(answered),
    )  # fmt: skip


def _connect(
    proxy: Process, open_now: ExitStack, number: int, first: bytes, *, read: bool = False, small: bool = False
) -> list[socket.socket]:
    made = []
    for _ in range(number):
        client = open_now.enter_context(socket.socket())
        if small:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", proxy.port))
        client.sendall(first)
        if read:
            assert client.recv(4096).endswith(b"ok")
        made.append(client)
    return made


def _probe(
    proxy: Process, heads: list[socket.socket], bodies: list[socket.socket], probes: int
) -> Iterator[float | None]:
    """Seconds that each took, None where it failed; between two of them every slow client sends a byte."""
    for number in range(probes):
        for client in heads:
            client.sendall(HEAD[20 + number : 21 + number])
        for client in bodies:
            client.sendall(b"x")
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE)
        try:
            connection.request("GET", "/")
            answered = connection.getresponse().read() == b"ok"
        except (OSError, HTTPException):
            answered = False
        yield time.monotonic() - began if answered else None
        connection.close()
        time.sleep(INTERVAL)


def main(idle: int = 10_000, slow: int = 1_000) -> int:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if most < idle + slow + 100:
        print(f"{idle + slow} connections need more file descriptors than {most}: ulimit -Hn", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        outcome = soak(Path(name), idle, slow)
    print(
        f"{outcome.idle} idle and {outcome.slow} slow connections: {len(outcome.waits)} probes answered after "
        f"{median(outcome.waits) * 1000:.1f} ms at the median, {max(outcome.waits) * 1000:.0f} at most; "
        f"{outcome.failed} not answered\n"
        f"memory of the worker: {outcome.per_idle / 1024:.1f} KiB an idle connection, "
        f"{outcome.per_slow / 1024:.1f} KiB a slow one"
    )
    return 1 if outcome.failed else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
