"""A body of gigabytes through a cache that may keep 64 MiB, in a process of its own.

    python -m tests.bench.cache_stream [--mebibytes 4096]

Prints the seconds it took, and by how much the resident memory of the worker has grown at most.
"""

from __future__ import annotations

import argparse
import socket
import tempfile
import threading
from pathlib import Path
from time import perf_counter

from tests.server.process import Process, config, running

PIECE = 1 << 20
LIMIT = 64 << 20
MOST = LIMIT + (32 << 20)
"""What the process may grow by: what the cache keeps, and what is on its way."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mebibytes", type=int, default=4096)
    pieces = parser.parse_args().mebibytes
    with socket.create_server(("127.0.0.1", 0)) as origin, tempfile.TemporaryDirectory() as directory:
        threading.Thread(target=_serve, args=(origin, pieces), daemon=True).start()
        path = config(
            Path(directory),
            [{"cache": {"max_size": "64MiB", "max_object_size": "64MiB"}}, {"forward": "site"}],
            upstreams={"site": {"endpoints": [f"http://127.0.0.1:{origin.getsockname()[1]}"]}},
            admin={"address": "127.0.0.1:0"},
        )
        with running(path) as process:
            (worker,) = process.workers()
            before, started = _resident(worker["pid"]), perf_counter()
            got = _fetch(process)
            seconds, grown = perf_counter() - started, _resident(worker["pid"]) - before
    print(f"{got:,} bytes in {seconds:.1f} s; the process grew by {grown / (1 << 20):.1f} MiB at most")
    return 0 if got >= pieces * PIECE and grown < MOST else 1


def _serve(origin: socket.socket, pieces: int) -> None:
    """Of a length that it does not say, so that the cache has to find out."""
    connection, _ = origin.accept()
    connection.recv(1 << 16)
    connection.sendall(b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n")
    chunk = b"%x\r\n" % PIECE + bytes(PIECE) + b"\r\n"
    for _ in range(pieces):
        connection.sendall(chunk)
    connection.sendall(b"0\r\n\r\n")


def _fetch(process: Process) -> int:
    """Bytes that came, with what frames them."""
    got, buffer = 0, bytearray(PIECE)
    with socket.create_connection(("127.0.0.1", process.port)) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n")
        while count := client.recv_into(buffer):
            got += count
    return got


def _resident(pid: int) -> int:
    """The most that was ever resident, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    raise SystemExit(main())
