"""Reloads under load: `python -m tests.soak.reloads [COUNT]`; 1,000 take about a minute.

Each has another component and another answer. Shows that no request is lost, and that memory, file descriptors and
compiled modules of supervisor and workers are as they were after the first tenth. Exit status 1 when they are not.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.server.process import Process, config, respond, running
from tests.server.test_workers import ADMIN, load, until

BUILT = Path(__file__).parents[2] / "filters/built"
COMPONENTS = ("html-inject.wasm", "security-headers.wasm")
WORKERS = 2
SLACK = 5 << 20
"""Bytes by which the memory of a process may differ from one time to another: the 64 places of the engine's pool that
stay warm hold between 44 and 104 KiB each, as the modules are that had them."""

ENDING = 4
"""Connections that may be about to end, and compiled modules of the configuration before that may still wait for the
garbage collector: less than one for each reload, even of a short soak."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds. code: executable mappings that are of no file, which is what modules are compiled to."""

    resident: int
    descriptors: int
    code: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """before, after: of the supervisor and each worker. broken: connections that ended within an exchange."""

    reloads: int
    seconds: float
    requests: int
    broken: int
    before: list[Held]
    after: list[Held]

    def wrong(self) -> list[str]:
        found = [f"{self.broken} connections broke"] if self.broken else []
        for number, (before, after) in enumerate(zip(self.before, self.after, strict=True)):
            who = "supervisor" if number == 0 else f"worker {number - 1}"
            if after.resident > before.resident + SLACK:
                found.append(f"{who}: {before.resident >> 20} MiB became {after.resident >> 20}")
            if after.descriptors > before.descriptors + ENDING:
                found.append(f"{who}: {before.descriptors} file descriptors became {after.descriptors}")
            if after.code > before.code + ENDING:
                found.append(f"{who}: {before.code} compiled modules became {after.code}")
        return found


def soak(directory: Path, reloads: int) -> Outcome:
    """The first tenth is for everything to be used once."""
    began = time.monotonic()
    first = max(2 * len(COMPONENTS), reloads // 10)
    with running(_write(directory, 0)) as proxy:
        warm = _reload(proxy, directory, range(1, first + 1))
        before = _held(proxy)
        asked, broken = _reload(proxy, directory, range(first + 1, reloads + 1))
        after = _held(proxy)
    return Outcome(reloads, time.monotonic() - began, warm[0] + asked, warm[1] + broken, before, after)


def _write(directory: Path, number: int) -> Path:
    """One component, one answer."""
    shutil.copy(BUILT / COMPONENTS[number % 2], directory / "filter.wasm")
    filters: dict[str, Any] = {"f": {"component": "filter.wasm"}}
    chain = [{"filter": "f"}, *respond(f"body {number}")]
    log = {"level": "error"}  # a line for each reload would fill the pipe that nobody reads
    return config(directory, chain, workers=WORKERS, filters=filters, log=log, **ADMIN)


def _reload(proxy: Process, directory: Path, numbers: range) -> tuple[int, int]:
    """Requests that were answered meanwhile, and connections that broke."""
    with load(proxy, clients=2) as kept, load(proxy, clients=1, close=True) as closing:
        for number in numbers:
            _write(directory, number)
            status, answer = proxy.admin("POST", "/reload")
            assert status == 200, answer
            assert proxy.get()[1] == b"body %d" % number
    until(lambda: sum(worker["connections"] for worker in proxy.workers()) == 0)
    return sum((*kept.answers.values(), *closing.answers.values())), kept.broken + closing.broken


def _held(proxy: Process) -> list[Held]:
    return [held(pid) for pid in (proxy.popen.pid, *(worker["pid"] for worker in proxy.workers()))]


def held(pid: int) -> Held:
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    mappings = [line.split() for line in (process / "maps").read_text().splitlines()]
    code = sum("x" in each[1] and len(each) == 5 for each in mappings)
    return Held(int(status["VmRSS"].split()[0]) << 10, len(list((process / "fd").iterdir())), code)


def main(reloads: int = 1000) -> int:
    with tempfile.TemporaryDirectory() as name:
        outcome = soak(Path(name), reloads)
    print(
        f"{outcome.reloads} reloads in {outcome.seconds:.0f} s, {outcome.requests} requests answered meanwhile, "
        f"{outcome.broken} lost"
    )
    for number, (before, after) in enumerate(zip(outcome.before, outcome.after, strict=True)):
        print(
            f"{'supervisor' if number == 0 else f'worker {number - 1}'}: {before.resident / 2**20:.1f} to "
            f"{after.resident / 2**20:.1f} MiB, {before.descriptors} to {after.descriptors} file descriptors, "
            f"{before.code} to {after.code} compiled modules"
        )
    wrong = outcome.wrong()
    print("\n".join(wrong) or "nothing grew")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
