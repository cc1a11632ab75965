"""Bodies of a GiB through the whole proxy: the process that runs them is looked at from outside."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site import BUILT
from tests.patience import PATIENCE
from tests.server.process import Process, config, running

MIB = 1 << 20
GIB = 1 << 30
MOST = 64 * MIB
PIECE = bytes(MIB)


@contextmanager
def origin(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """One that answers each connection as told; its URL."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        for _ in range(2):
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(PATIENCE)
                serve(connection)

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    listening.close()


def head_of(connection: socket.socket) -> bytes:
    """Up to the empty line; what comes behind it in the same read is left."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    return head


def read_past(connection: socket.socket, size: int) -> None:
    into = bytearray(MIB)
    while size:
        got = connection.recv_into(into, min(size, MIB))
        assert got, f"cut off {size} bytes before the end"
        size -= got


def send_zeros(connection: socket.socket, size: int) -> None:
    for _ in range(size // MIB):
        connection.sendall(PIECE)


def peak(process: Process) -> int:
    """Bytes of memory the process has had at most."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) * 1024


@contextmanager
def proxied(directory: Path, url: str) -> Iterator[tuple[Process, socket.socket]]:
    """A proxy with a filter and a cache above the origin, warm, and a client's connection."""
    filters = {"secure": {"component": str(BUILT / "security-headers.wasm")}}
    chain: list[dict[str, Any]] = [{"filter": "secure"}, {"cache": {"name": "c"}}, {"forward": "o"}]
    path = config(directory, chain, filters=filters, upstreams={"o": {"endpoints": [url]}})
    with running(path) as process, socket.create_connection(("127.0.0.1", process.port), PATIENCE) as client:
        exchange(client, b"GET", 0, MIB)
        yield process, client


def exchange(client: socket.socket, method: bytes, up: int, down: int) -> None:
    client.sendall(b"%b /%d HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n" % (method, down, up))
    send_zeros(client, up)
    head = head_of(client)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-length: %d\r\n" % down in head
    read_past(client, down)


def serve(connection: socket.socket) -> None:
    while True:
        head = head_of(connection)
        asked, length = re.search(rb"^\w+ /(\d+)", head), re.search(rb"content-length: (\d+)", head)
        assert asked is not None
        read_past(connection, int(length[1]) if length else 0)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %b\r\n\r\n" % asked[1])
        send_zeros(connection, int(asked[1]))


@pytest.mark.parametrize(("method", "up", "down"), [(b"GET", 0, GIB), (b"POST", GIB, 0)], ids=["download", "upload"])
def test_a_gibibyte_takes_no_memory(tmp_path: Path, method: bytes, up: int, down: int) -> None:
    with origin(serve) as url, proxied(tmp_path, url) as (process, client):
        before = peak(process)
        exchange(client, method, up, down)
        assert peak(process) - before < MOST
