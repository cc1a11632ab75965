"""Origins, disks and file descriptors that fail: every client gets a whole correct answer or a clear failure, never a
part that looks like the whole, and the proxy goes on."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import resource
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.integration.site import Site, site, unchunk
from tests.server.process import PATIENCE, SLUICE, Process, config
from tests.upstream.scripted import Peer, Scripted

BODY = b"0123456789" * 20
SOUND = b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: %d\r\n\r\n" % len(BODY) + BODY
CHUNKED = b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ntransfer-encoding: chunked\r\n\r\n"
HALF = SOUND[: -len(BODY) // 2]

Fault = Callable[[Peer], Awaitable[None]]


def sends(data: bytes, *, reset: bool = False, then: Fault | None = None) -> Fault:
    async def fault(peer: Peer) -> None:
        await peer.send(data)
        if then is not None:
            await then(peer)
        elif reset:
            await asyncio.sleep(0.02)  # else the data goes with the connection
            peer.reset()

    return fault


async def stall(peer: Peer) -> None:
    await peer.gone()


async def dribble(peer: Peer) -> None:
    for at in range(len(SOUND)):
        await peer.send(SOUND[at : at + 1])
        await asyncio.sleep(0)


async def at_once(peer: Peer) -> None:
    peer.reset()


FAULTS: dict[str, Fault] = {
    "resets at once": at_once,
    "closes at once": sends(b""),
    "resets in the head": sends(b"HTTP/1.1 200 OK\r\ncontent-le", reset=True),
    "closes in the head": sends(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "resets in the body": sends(HALF, reset=True),
    "closes in the body": sends(HALF),
    "resets in a chunk": sends(CHUNKED + b"64\r\n" + BODY[:50], reset=True),
    "closes in a chunk": sends(CHUNKED + b"64\r\n" + BODY[:50]),
    "closes between chunks": sends(CHUNKED + b"a\r\n0123456789\r\n"),
    "closes before the last line": sends(CHUNKED + b"a\r\n0123456789\r\n0\r\n"),
    "resets a body that the end ends": sends(b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:50], reset=True),
    "says nothing": stall,
    "stalls in the head": sends(b"HTTP/1.1 200 OK\r\n", then=stall),
    "stalls in the body": sends(HALF, then=stall),
    "stalls in a chunk": sends(CHUNKED + b"64\r\n" + BODY[:50], then=stall),
    "says less than it sends": sends(SOUND + b"more than it said"),
    "says two lengths": sends(SOUND.replace(b"content-length", b"content-length: 7\r\ncontent-length", 1)),
    "says no number": sends(SOUND.replace(b"content-length: ", b"content-length: x")),
    "is no HTTP": sends(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "sends garbage": sends(bytes(range(256)) * 40),
    "sends garbage for a chunk": sends(CHUNKED + b"zz\r\n" + BODY),
    "sends another answer, too": sends(SOUND + SOUND.replace(b"0123456789", b"somebody's")),
    "sends a head without end": sends(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000, then=stall),
    "dribbles": dribble,
}


@asynccontextmanager
async def in_front(directory: Path, fault: Fault, chain: list[dict[str, Any]]) -> AsyncIterator[tuple[Site, Scripted]]:
    """The first connection to the origin has the fault; later ones are sound."""

    async def play(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await fault(peer)
            return
        while True:
            await peer.send(SOUND)
            await peer.request()

    origin = Scripted(play)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    upstream = {
        "endpoints": [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"],
        "response_timeout": "150ms",
        "body_timeout": "150ms",
        "retries": {"attempts": 0},
    }
    routes = [{"chain": [*chain, {"forward": "origin"}]}]
    async with site(directory, b"", upstreams={"origin": upstream}, routes=routes) as place:
        yield place, origin
    server.close()
    await asyncio.gather(*(peer.over.wait() for peer in origin.peers))
    assert origin.failure is None


def whole(raw: bytes) -> tuple[int, bytes] | None:
    """Status and body of an answer that a client would take for whole. None: it cannot be."""
    head, separator, rest = raw.partition(b"\r\n\r\n")
    if not separator:
        return None
    status = int(head[9:12])
    if length := re.search(rb"\r\ncontent-length: ([0-9]+)", head):
        assert len(rest) <= int(length[1])
        return (status, rest) if len(rest) == int(length[1]) else None
    assert b"\r\ntransfer-encoding: chunked" in head, "only its end would end it"
    try:
        return status, unchunk(rest)
    except (ValueError, AssertionError):
        return None


GET = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"


@pytest.mark.parametrize("chain", [[], [{"cache": {"name": "pages"}}]], ids=["bare", "cached"])
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_an_origin_that(fault: Fault, chain: list[dict[str, Any]], tmp_path: Path) -> None:
    async def scenario() -> None:
        async with in_front(tmp_path, fault, chain) as (place, _):
            answer = whole(await place.raw(GET))
            if answer is not None and answer[0] < 500:
                assert answer == (200, BODY)
            for _ in range(2):  # nothing of it is left, neither on a connection nor in a cache
                assert whole(await place.raw(GET)) == (200, BODY)

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["resets at once", "closes in the head", "says nothing", "sends garbage"])
def test_a_failure_is_told(fault: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with in_front(tmp_path, FAULTS[fault], []) as (place, _):
            raw = await place.raw(GET)
            answer = whole(raw)
            assert answer is not None
            assert answer[0] in (502, 504)
            assert b"\r\nproxy-status: sluicegate; error=" in raw

    asyncio.run(scenario())


class Limited(Process):
    """With limits of its own on what the process may use."""

    def __init__(self, path: Path, *limits: tuple[int, int]) -> None:
        def limit() -> None:
            for kind, most in limits:
                resource.setrlimit(kind, (most, most))

        self.popen = subprocess.Popen(
            [SLUICE, "run", path], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=limit
        )
        self.port = int(self.until(r"listening on http://127\.0\.0\.1:(\d+)")[1])

    def end(self) -> None:
        self.popen.kill()
        self.popen.communicate()


def test_a_full_disk_costs_no_answer(tmp_path: Path) -> None:
    """The log's device is full, and no file may grow beyond 64 KiB, so nothing can be stored on disk."""
    served = {"status": 200, "headers": {"cache-control": "max-age=60"}, "body": "x" * 50_000}
    disk = {"name": "pages", "disk": {"path": "stored"}}
    log = {"access_log": {"to": "/dev/full"}}
    process = Limited(config(tmp_path, [{"cache": disk}, {"respond": served}], **log), (resource.RLIMIT_FSIZE, 65536))
    try:
        for number in range(20):
            assert process.get(f"/{number % 10}") == (200, b"x" * 50_000)
        assert process.popen.poll() is None
    finally:
        process.end()


def test_out_of_file_descriptors(tmp_path: Path) -> None:
    """More clients than there can be: some are turned away, the others are served, and the process does not spin; when
    they are gone all is as it was."""
    process = Limited(config(tmp_path, [{"respond": {"body": "ok"}}]), (resource.RLIMIT_NOFILE, 80))
    clients = [socket.create_connection(("127.0.0.1", process.port), PATIENCE) for _ in range(150)]
    try:
        served = sum(_asks(client) for client in clients[:20])
        assert served == 20
        worker = _children(process.popen.pid)[0]
        before = _seconds_of_cpu(worker)
        time.sleep(0.5)
        assert _seconds_of_cpu(worker) - before < 0.3
        for client in clients:
            client.close()
        for _ in range(20):
            _until_served(process)  # it has to see first that they are gone
    finally:
        for client in clients:
            client.close()
        process.end()


def _until_served(process: Process) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(ConnectionError, http.client.HTTPException):
            assert process.get() == (200, b"ok")
            return
    raise AssertionError("it serves nobody any more")


def _asks(client: socket.socket) -> bool:
    client.settimeout(PATIENCE)
    client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return client.recv(65536).endswith(b"ok")


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _seconds_of_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
