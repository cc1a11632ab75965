"""Workers killed under load: `python -m tests.soak.kills [ROUNDS]`; five rounds by default, of one kill each of four
workers.

Clients are in the middle of answers of every framing, and others ask again and again on connections that they keep, on
all workers. One worker is killed. Shows that those of the others lose nothing, that none of the killed one takes what
it has for the whole, and how long it takes until another serves. Exit status 1 when it is not so.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.codec.http2.wire import GET, HELLO, headers
from tests.integration.taken import taken, taken_h2
from tests.patience import PATIENCE
from tests.server.process import Process, config, respond, running
from tests.server.test_workers import ADMIN, pids

HALF = b"0123456789" * 200
FRAMINGS = ("length", "chunked", "close", "h2")
EACH = 2
"""Clients in the middle of an answer that at least two workers have of each framing."""

ASKING = 12
"""Clients that ask again and again."""


@dataclass(slots=True)
class Outcome:
    """One kill. replaced: seconds until all workers serve again. cut: answers of the killed worker that did not come
    to their end. kept: answers of the others that did; asked: exchanges of the clients that ask again and again."""

    replaced: float
    cut: int = 0
    kept: int = 0
    asked: int = 0
    wrong: list[str] = field(default_factory=list)


class Client:
    """One request, and all that came of it. end: how the connection ended, or "" when it has not."""

    def __init__(self, framing: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.framing = framing
        self.port: int = writer.get_extra_info("sockname")[1]
        self.raw = b""
        self.end = ""
        self._reader = reader
        self._writer = writer
        if framing == "h2":
            writer.write(HELLO + headers(1, [*GET[:3], (":path", "/chunked")]))
        elif framing == "close":
            writer.write(b"GET /chunked HTTP/1.0\r\nhost: a\r\n\r\n")
        else:
            writer.write(b"GET /%s HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" % framing.encode())

    async def read(self, until: Callable[[], bool]) -> None:
        """Until it is so, or the connection ends."""
        while not until() and not self.end:
            try:
                piece = await asyncio.wait_for(self._reader.read(65536), PATIENCE)
            except ConnectionResetError:
                self.end = "reset"
            else:
                self.raw += piece
                self.end = "" if piece else "closed"

    def half(self) -> bool:
        """Half an answer has come."""
        return HALF in self.raw

    def taken(self) -> bytes | None:
        """The body of an answer that the client takes for whole; None: it knows that it is not."""
        found = taken_h2(self.raw) if self.framing == "h2" else taken(self.raw, ended=self.end == "closed")
        return None if found is None else found[1]

    def whole(self) -> bool:
        return self.taken() is not None

    def close(self) -> None:
        self._writer.close()


class Origin:
    """Sends half of an answer, and the rest when it is released."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            head, piece, last = b"content-length: %d" % (2 * len(HALF)), HALF, b""
            if b" /chunked " in request:
                head, piece, last = b"transfer-encoding: chunked", b"%x\r\n%b\r\n" % (len(HALF), HALF), b"0\r\n\r\n"
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\n" + head + b"\r\n\r\n" + piece)
            await self.released.wait()
            writer.write(piece + last)
            await writer.drain()
        writer.close()


@dataclass(slots=True)
class Asking:
    """Asks again and again on one connection. broken: it ended."""

    port: int = 0
    answers: int = 0
    broken: bool = False
    over: bool = False

    async def run(self, proxy: Process) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        self.port = writer.get_extra_info("sockname")[1]
        try:
            while not self.over:
                writer.write(b"GET /quick HTTP/1.1\r\nhost: a\r\n\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
                assert await reader.readexactly(5) == b"quick"
                self.answers += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            self.broken = True
        finally:
            writer.close()


def owners(workers: set[int], port: int) -> dict[int, int]:
    """Which of the workers has the connection from a client's port to this port, by the client's: proc_pid_net(5)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9]: int(row[2].rpartition(":")[2], 16) for row in rows if int(row[1].rpartition(":")[2], 16) == port}
    found = {}
    for pid in workers:
        for each in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                if (inode := os.readlink(each).removeprefix("socket:[").removesuffix("]")) in inodes:
                    found[inodes[inode]] = pid
    return found


@asynccontextmanager
async def asking(proxy: Process) -> AsyncIterator[list[Asking]]:
    all_of_them = [Asking() for _ in range(ASKING)]
    async with asyncio.TaskGroup() as tasks:
        for each in all_of_them:
            tasks.create_task(each.run(proxy))
        try:
            yield all_of_them
        finally:
            for each in all_of_them:
                each.over = True


async def in_the_middle(proxy: Process, victim: int, workers: set[int]) -> tuple[list[Client], dict[int, int]]:
    """Clients that have half an answer: EACH or more of every framing, of the victim and of the others; and whose
    connections are, by their ports."""
    clients: list[Client] = []
    of: dict[int, int] = {}
    deadline = time.monotonic() + PATIENCE
    while True:
        connected = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", proxy.port) for _ in FRAMINGS * 4))
        new = [Client(framing, *each) for framing, each in zip(FRAMINGS * 4, connected, strict=True)]
        await asyncio.gather(*(each.read(each.half) for each in new))
        clients += new
        of |= owners(workers, proxy.port)  # connections come and go while it is read, so it may miss some
        held = [(each.framing, of[each.port] == victim) for each in clients if each.port in of]
        if len(held) == len(clients) and all(
            held.count((framing, whose)) >= EACH for framing in FRAMINGS for whose in (True, False)
        ):
            return clients, of
        assert time.monotonic() < deadline, "the connections do not spread over the workers"


async def kill_one(proxy: Process, origin: Origin, victim: int) -> Outcome:
    workers = await asyncio.to_thread(pids, proxy)
    origin.released.clear()
    async with asking(proxy) as again:
        clients, of = await in_the_middle(proxy, victim, workers)
        os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        while len(await asyncio.to_thread(pids, proxy) - {victim}) < len(workers):
            assert time.monotonic() - began < PATIENCE, "it was not replaced"
            await asyncio.sleep(0.005)
        outcome = Outcome(time.monotonic() - began)
        origin.released.set()
        await asyncio.gather(*(each.read(each.whole) for each in clients))
        for client in clients:
            _judge(outcome, client, of[client.port] == victim)
            client.close()
    for each in again:
        outcome.asked += each.answers
        if each.broken and of.get(each.port, victim) != victim:
            outcome.wrong.append("a connection of another worker broke")
    return outcome


def _judge(outcome: Outcome, client: Client, lost: bool) -> None:
    taken = client.taken()
    if lost and taken is None:
        outcome.cut += 1
    elif not lost and taken == HALF * 2:
        outcome.kept += 1
    else:
        who = "the killed worker" if lost else "another worker"
        what = "nothing" if taken is None else f"{len(taken)} of {2 * len(HALF)} bytes"
        outcome.wrong.append(
            f"{client.framing} of {who}: {what} for the whole, and its connection {client.end or 'open'}"
        )


async def soak(directory: Path, workers: int, kills: int) -> list[Outcome]:
    """One kill after the other, of as many workers."""
    origin = Origin()
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0)
    upstreams = {"origin": {"endpoints": [f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"]}}
    routes = [{"match": {"path": "/quick"}, "chain": respond("quick")}, {"chain": [{"forward": "origin"}]}]
    path = config(directory, [], workers=workers, upstreams=upstreams, routes=routes, log={"level": "error"}, **ADMIN)
    with running(path) as proxy:
        victims = sorted(await asyncio.to_thread(pids, proxy))[:kills]
        outcomes = [await kill_one(proxy, origin, victim) for victim in victims]
    server.close()
    return outcomes


def main(rounds: int = 5) -> int:
    outcomes: list[Outcome] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            outcomes += asyncio.run(soak(Path(name), 4, 4))
    times = sorted(each.replaced for each in outcomes)
    print(
        f"{len(times)} workers killed; another served after {median(times) * 1000:.0f} ms at the median, "
        f"{times[0] * 1000:.0f} to {times[-1] * 1000:.0f}\n"
        f"their clients: {sum(each.cut for each in outcomes)} answers cut off, each seen to be\n"
        f"clients of the others: {sum(each.kept for each in outcomes)} answers came to their end, "
        f"{sum(each.asked for each in outcomes)} more were asked for and came"
    )
    wrong = [line for each in outcomes for line in each.wrong]
    if times[-1] > 1:
        wrong.append("a worker was not replaced within a second")
    print("\n".join(wrong) or "nothing else was lost")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
