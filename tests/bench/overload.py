"""What a worker does with more requests than it can answer: `python -m tests.bench.overload [--seconds N]`.

Requests come at a fixed rate whatever becomes of those before (an open loop), at shares of what the worker can answer:
each waits for its turn on one of CONNECTIONS, and its latency counts from when it was due. Each runs FILTERS filters in
fresh instances, so that an answer costs what it costs in earnest. Measured as the proxy is, and without shedding.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import uvloop
import yaml

from tests.bench.machine import Machine
from tests.bench.target import filter_config
from tests.ports import free_port

FILTERS = 8
CONNECTIONS = 500
SHARES = (0.5, 0.9, 1.2, 1.5, 2.0, 3.0)
"""Of the rate that the worker can answer."""

GET = b"GET /item HTTP/1.1\r\nhost: bench.example\r\n\r\n"
MAIN = "from proxy.cli import main; main()"
UNSHED = "from proxy.downstream import overload; overload.LATE = float('inf'); "
FILTER = Path(__file__).parents[2] / "filters/built/headers.wasm"


@dataclass(slots=True)
class Seen:
    """Seconds until requests were answered, and until they were shed. in_time: answers before the last request was
    due."""

    answered: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)
    retry_after: int = 0
    due: int = 0
    in_time: int = 0


class Client(asyncio.Protocol):
    """A connection that carries one request at a time."""

    transport: asyncio.Transport

    def __init__(self, load: Load) -> None:
        self._load = load
        self._due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def ask(self, due: float) -> None:
        self._due = due
        self.transport.write(GET)

    def data_received(self, data: bytes) -> None:
        self._load.took(self, data, self._due)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.broken += not self._load.over


class Load:
    """Asks at a rate."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.broken = 0
        self.over = False
        self._again = False
        self._idle: deque[Client] = deque()
        self._waiting: deque[float] = deque()
        self._loop = asyncio.get_running_loop()

    async def connect(self, port: int, number: int) -> None:
        for _ in range(number):
            _, client = await self._loop.create_connection(lambda: Client(self), "127.0.0.1", port)
            self._idle.append(client)

    async def run(self, rate: float, seconds: float, patience: float) -> Seen:
        """What became of those that were due within the time."""
        self.seen = Seen()
        began = self._loop.time()
        while (now := self._loop.time()) < began + seconds:
            while self.seen.due < (now - began) * rate:
                self._ask(began + self.seen.due / rate)
                self.seen.due += 1
            await asyncio.sleep(0.001)
        seen = self.seen
        seen.in_time = len(seen.answered)
        end = self._loop.time() + patience
        while len(seen.answered) + len(seen.shed) < seen.due and self._loop.time() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return seen

    async def most(self, seconds: float) -> float:
        """Answers a second to a few clients that ask again as soon as they are answered."""
        self.seen, self._again = Seen(), True
        for _ in range(16):
            self._idle.popleft().ask(self._loop.time())
        await asyncio.sleep(seconds)
        answers, self._again = len(self.seen.answered), False
        while len(self._idle) < CONNECTIONS:  # noqa: ASYNC110 - what was asked is still answered
            await asyncio.sleep(0.01)
        return answers / seconds

    def close(self) -> None:
        self.over = True
        for client in self._idle:
            client.transport.close()

    def _ask(self, due: float) -> None:
        if self._idle:
            self._idle.popleft().ask(due)
        else:
            self._waiting.append(due)

    def took(self, client: Client, data: bytes, due: float) -> None:
        took = self._loop.time() - due
        if data.startswith(b"HTTP/1.1 200 "):
            self.seen.answered.append(took)
        else:
            assert data.startswith(b"HTTP/1.1 503 "), data
            self.seen.shed.append(took)
            self.seen.retry_after += b"\r\nretry-after: 1\r\n" in data
        if self._again:
            client.ask(self._loop.time())
        elif self._waiting:
            client.ask(self._waiting.popleft())
        else:
            self._idle.append(client)


def start(machine: Machine, name: str, *, shedding: bool) -> int:
    """The port of a proxy with one worker."""
    port = free_port()
    names = [f"filter-{number}" for number in range(FILTERS)]
    config = {
        "version": 1,
        "listeners": [{"address": f"127.0.0.1:{port}"}],
        "access_log": "off",
        "filters": {
            each: {"component": str(FILTER), "config": filter_config(number), "memo": False}
            for number, each in enumerate(names)
        },
        "routes": [{"chain": [*({"filter": each} for each in names), {"respond": {"body": "x" * 1024}}]}],
    }
    path = machine.scratch / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    command = [sys.executable, "-c", MAIN if shedding else UNSHED + MAIN, "run", str(path)]
    machine.serve(name, machine.measured(command), port)
    return port


def percentile(values: Sequence[float], share: float) -> str:
    """In milliseconds."""
    return f"{sorted(values)[int(len(values) * share)] * 1000:8.0f}" if values else "       –"


async def measured(port: int, most: float | None, seconds: float) -> float:
    """Prints a line for each rate; the rate that can be answered."""
    load = Load()
    await load.connect(port, CONNECTIONS)
    most = most or max([await load.most(1) for _ in range(5)])  # other work on the machine takes its share
    for share in SHARES:
        seen = await load.run(most * share, seconds, patience=20)
        good = seen.in_time
        print(
            f"| {share:4.0%} | {most * share:6.0f} | {good / seconds:6.0f} | {good / seconds / most:4.0%} "
            f"| {percentile(seen.answered, 0.5)} | {percentile(seen.answered, 0.99)} "
            f"| {len(seen.shed) / seen.due:4.0%} | {percentile(seen.shed, 0.99)} |",
            flush=True,
        )
        assert seen.retry_after == len(seen.shed)
        await asyncio.sleep(1)
    load.close()
    assert not load.broken, f"{load.broken} connections broke"
    return most


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4, help="for how long each rate is kept up (4)")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        print("two cores are needed: one for the worker, one for who asks", file=sys.stderr)
        return 1
    most = None
    with tempfile.TemporaryDirectory() as scratch, Machine(Path(scratch), cores) as machine:
        for shedding in (True, False):
            port = start(machine, "shedding" if shedding else "unshed", shedding=shedding)
            os.sched_setaffinity(0, {cores[1]})
            print(f"\n{'With' if shedding else 'Without'} shedding\n")
            print("| of capacity | asked/s | answered/s | of capacity | p50 ms | p99 ms | shed | p99 ms of shed |")
            print("|---|---|---|---|---|---|---|---|")
            most = uvloop.run(measured(port, most, options.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
