"""Origins, disks and file descriptors that fail: every client gets a whole correct answer or a clear failure, never a
part that looks like the whole, and the proxy goes on."""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import resource
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from proxy.upstream import Upstream
from tests.codec.http2.wire import GET, HELLO, headers
from tests.integration.site import Site, site
from tests.integration.taken import ASKS, Taken, ask, taken, taken_h2
from tests.listening import listening
from tests.patience import PATIENCE
from tests.server.process import SLUICE, Process, config
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
    """Until the proxy has given up: see `in_front`."""
    peer.stalls = True
    await peer.gone()


async def dribble(peer: Peer) -> None:
    for at in range(len(SOUND)):
        await peer.send(SOUND[at : at + 1])
        await asyncio.sleep(0)


async def at_once(peer: Peer) -> None:
    peer.reset()


async def closes_at_the_next(peer: Peer) -> None:
    await peer.send(SOUND)
    await peer.request()


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
    "closes between requests": sends(SOUND),
    "resets between requests": sends(SOUND, reset=True),
    "closes at the next request": closes_at_the_next,
}


@asynccontextmanager
async def in_front(directory: Path, fault: Fault, chain: list[dict[str, Any]]) -> AsyncIterator[tuple[Site, Scripted]]:
    """The first connection to the origin has the fault; later ones are sound. When it stalls, a minute and more is over
    for the proxy."""

    async def play(peer: Peer) -> None:
        await peer.request()
        if peer.number == 1:
            await fault(peer)
            return
        while True:
            await peer.send(SOUND)
            await peer.request()

    origin = Scripted(play)
    routes = [{"chain": [*chain, {"forward": "origin"}]}]
    async with listening(origin.serve) as port:
        upstream = {"endpoints": [f"http://127.0.0.1:{port}"], "retries": {"attempts": 0}}
        async with site(directory, b"", upstreams={"origin": upstream}, routes=routes) as place:
            turning = asyncio.create_task(turn_the_clock(origin, place.server.assembly.upstreams["origin"]))
            yield place, origin
            turning.cancel()
        await asyncio.gather(*(peer.over.wait() for peer in origin.peers))
    assert origin.failure is None


async def turn_the_clock(origin: Scripted, upstream: Upstream) -> None:
    while True:
        await asyncio.sleep(0.02)
        for peer in origin.peers:
            if peer.stalls:
                peer.stalls = False  # the time of later requests is theirs
                upstream.sweep(asyncio.get_running_loop().time() + 61)


BARE: list[dict[str, Any]] = []
CACHED: list[dict[str, Any]] = [{"cache": {"name": "pages"}}]


@pytest.mark.parametrize(
    ("chain", "version"),
    [(BARE, "1.1"), (BARE, "1.0"), (BARE, "2"), (CACHED, "1.1")],
    ids=["bare-1.1", "bare-1.0", "bare-2", "cached"],
)
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_an_origin_that(fault: Fault, chain: list[dict[str, Any]], version: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with in_front(tmp_path, fault, chain) as (place, _):
            answer = await ask(place.port, version)
            if answer is not None and answer[0] < 500:
                assert answer == (200, BODY)
            for _ in range(2):  # nothing of it is left, neither on a connection nor in a cache
                assert await ask(place.port, version) == (200, BODY)

    asyncio.run(scenario())


@pytest.mark.parametrize("fault", ["resets at once", "closes in the head", "says nothing", "sends garbage"])
def test_a_failure_is_told(fault: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with in_front(tmp_path, FAULTS[fault], []) as (place, _):
            raw = await place.raw(ASKS["1.1"])
            answer = taken(raw, ended=True)
            assert answer is not None
            assert answer[0] in (502, 504)
            assert b"\r\nproxy-status: sluicegate; error=" in raw

    asyncio.run(scenario())


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Limited(Process):
    """With limits of its own on what the process may use. command: what starts it."""

    def __init__(self, path: Path, *limits: tuple[int, int], command: Sequence[str] = ()) -> None:
        def limit() -> None:
            for kind, most in limits:
                resource.setrlimit(kind, (most, most))

        self.start([*command, SLUICE, "run", path], preexec_fn=limit)


UNSHARE = ["unshare", "--user", "--map-root-user", "--mount"]
"""In a mount namespace of its own: what is mounted there goes with the process."""
MOUNT = 'mount -t tmpfs -o size=1m none "$0" && exec "$@"'


def may_mount() -> bool:
    with suppress(FileNotFoundError):
        return subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    return False


@pytest.mark.skipif(not may_mount(), reason="a file system cannot be mounted here: unshare --user --mount is refused")
def test_a_full_file_system_costs_no_answer_and_is_used_when_there_is_room(tmp_path: Path) -> None:
    """What the cache stores and the access log are on it."""
    full = tmp_path / "full"
    full.mkdir()
    served = {"status": 200, "headers": {"cache-control": "max-age=60"}, "body": "x" * 20_000}
    small = {"max_size": "64KiB", "max_object_size": "30KiB"}  # memory for two
    chain: list[dict[str, Any]] = [
        {"cache": {"name": "pages", **small, "disk": {"path": str(full / "stored")}}},
        {"respond": served},
    ]
    path = config(tmp_path, chain, access_log={"to": str(full / "access.log")})
    process = Limited(path, command=[*UNSHARE, "sh", "-c", MOUNT, str(full)])
    try:
        inside = Path(f"/proc/{process.popen.pid}/root{full}")
        with suppress(OSError), (inside / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"x" * 1024)
        for number in range(40):
            assert process.get(f"/{number % 10}") == (200, b"x" * 20_000)
        assert asyncio.run(ask(process.port, "2")) == (200, b"x" * 20_000)
        os.kill(_children(process.popen.pid)[0], signal.SIGKILL)
        _until_served(process, b"x" * 20_000)
        (inside / "filler").unlink()
        for number in range(10):
            assert process.get(f"/{number}") == (200, b"x" * 20_000)
        stored = sum(each.stat().st_size for each in (inside / "stored").rglob("*") if each.is_file())
        assert stored > 10 * 20_000
        _until(lambda: b'"/9"' in (inside / "access.log").read_bytes())
    finally:
        process.kill()


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
        process.kill()


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
        process.kill()


def test_out_of_file_descriptors_for_origins(tmp_path: Path) -> None:
    """More exchanges than there can be connections to the origin, on one connection of HTTP/2: each is answered, whole
    or with a clear failure, and when there is room again all are as before."""
    released = asyncio.Event()
    streams = range(1, 100, 2)

    async def play(peer: Peer) -> None:
        await peer.request()
        await released.wait()
        await peer.send(SOUND)

    async def many(port: int) -> list[Taken | None]:
        """The origin answers when the first ones have failed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO)
        assert await reader.read(65536)  # its settings
        writer.write(b"".join(headers(stream, GET) for stream in streams))
        raw = b""
        while not all(taken_h2(raw, stream) for stream in streams):
            piece = await asyncio.wait_for(reader.read(65536), PATIENCE)
            assert piece, "the connection ended"
            raw += piece
            released.set()
        writer.close()
        return [taken_h2(raw, stream) for stream in streams]

    async def main() -> None:
        origin = Scripted(play)
        server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
        endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        upstream = {"endpoints": [endpoint], "retries": {"attempts": 0}}
        path = config(tmp_path, [{"forward": "origin"}], upstreams={"origin": upstream})
        process = Limited(path, (resource.RLIMIT_NOFILE, 50))
        try:
            assert {each and each[0] for each in await many(process.port)} == {200, 503}
            for version in ("1.1", "2"):
                while await ask(process.port, version) is None:
                    pass  # connections are being closed
                assert await ask(process.port, version) == (200, BODY)
        finally:
            await asyncio.to_thread(process.kill)
            server.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_out_of_file_descriptors_idle_connections_make_room(tmp_path: Path) -> None:
    """Those to origins first, then those of clients, the oldest first: nobody new is turned away."""

    async def main() -> None:
        all_there = asyncio.Barrier(20)

        async def play(peer: Peer) -> None:
            await peer.request()
            await all_there.wait()
            await peer.send(SOUND)
            await peer.gone()

        async def served(client: Client, path: bytes) -> bool:
            reader, writer = client
            writer.write(b"GET %s HTTP/1.1\r\nhost: a\r\n\r\n" % path)
            head = await reader.readuntil(b"\r\n\r\n")
            (length,) = re.findall(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length))
            return head.startswith(b"HTTP/1.1 200 OK")

        origin = Scripted(play)
        server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
        upstreams = {"origin": {"endpoints": [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"]}}
        routes = [
            {"match": {"path": "/origin"}, "chain": [{"forward": "origin"}]},
            {"chain": [{"respond": {"body": "ok"}}]},
        ]
        path = config(tmp_path, [], upstreams=upstreams, routes=routes, admin={"address": "127.0.0.1:0"})
        process = Limited(path, (resource.RLIMIT_NOFILE, 90))
        try:
            first = [await asyncio.open_connection("127.0.0.1", process.port) for _ in range(20)]
            assert all(await asyncio.gather(*(served(client, b"/origin") for client in first)))
            later: list[Client] = []
            for _ in range(60):
                later.append(await asyncio.open_connection("127.0.0.1", process.port))
                assert await served(later[-1], b"/")
            assert all(peer.over.is_set() for peer in origin.peers)
            assert all([await reader.read() == b"" for reader, _ in first])
            told = (await asyncio.to_thread(process.admin, "GET", "/metrics"))[1]
            given_up = dict(re.findall(r'sluice_idle_connections_given_up_total{side="(\w+)"} (\d+)', told))
            assert int(given_up["upstream"]) == 20
            assert int(given_up["downstream"]) >= 20
            for _, writer in (*first, *later):
                writer.close()
        finally:
            await asyncio.to_thread(process.kill)
            server.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def _until_served(process: Process, body: bytes = b"ok") -> None:
    def served() -> bool:
        with suppress(ConnectionError, http.client.HTTPException):
            return process.get() == (200, body)
        return False

    _until(served)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


def _asks(client: socket.socket) -> bool:
    client.settimeout(PATIENCE)
    client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    return client.recv(65536).endswith(b"ok")


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _seconds_of_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
