"""Processes on their cores, and what they cost."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

STARTING = 60.0
"""Seconds a server may take until it answers."""

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Machine:
    """Starts processes, each bound to a core, and ends them all by their pid on exit.

    scratch: an empty folder for their files. Core 0 of `cores` is for the server measured, core 1 for the rest.
    """

    scratch: Path
    cores: tuple[int, int]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def on_core(self, n: int, command: list[str]) -> list[str]:
        return ["taskset", "--cpu-list", str(self.cores[n]), *command]

    def serve(self, name: str, core: int, command: list[str], port: int) -> int:
        """Start a server and wait until it answers on the port; its pid. Its output goes to `scratch/name.log`."""
        log = self.scratch / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.on_core(core, command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.scratch
            )
        self.processes.append(process)
        deadline = time.monotonic() + STARTING
        while not answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        return process.pid


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(port: int) -> bool:
    try:
        get(port)
    except (OSError, http.client.HTTPException):
        return False
    return True


def get(port: int) -> tuple[int, dict[str, str], bytes]:
    """Status, fields (lower case) and body of the item."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/item")
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its living children so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = (int(fields[11]) + int(fields[12])) / TICK  # utime and stime, proc(5)
    children = (task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children"))
    return own + sum(cpu_seconds(int(child)) for group in children for child in group)
