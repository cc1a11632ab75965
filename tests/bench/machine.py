"""Processes on their cores, and what they cost."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

STARTING = 60.0
"""Seconds a server may take until it answers."""

CPUCLOCK_SCHED = 2
"""In the number of a clock, which Linux makes of a process id: the processor time of the process, by the scheduler."""

TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Machine:
    """Starts processes, each bound to its cores, and ends them all by their pid on exit.

    scratch: an empty folder for their files. cores: those of the machine; the first `workers` of them are for the
    server measured, the others for the rest, which shares them all when there are no others.
    """

    scratch: Path
    cores: Sequence[int]
    workers: int = 1
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

    def measured(self, command: list[str]) -> list[str]:
        """The command, on the cores of the server that is measured."""
        return _on(self.cores[: self.workers], command)

    def beside(self, command: list[str]) -> list[str]:
        """The command, on the other cores."""
        return _on(self.cores[self.workers :] or self.cores, command)

    def serve(self, name: str, command: list[str], port: int, *, secure: bool = False) -> int:
        """Start a server (`command` says on which cores) and wait until it answers on the port; its pid. Its output
        goes to `scratch/name.log`. secure: the port is for TLS."""
        log = self.scratch / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.scratch
            )
        self.processes.append(process)
        deadline = time.monotonic() + STARTING
        while not answers(port, secure):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        return process.pid


def _on(cores: Sequence[int], command: list[str]) -> list[str]:
    return ["taskset", "--cpu-list", ",".join(map(str, cores)), *command]


def answers(port: int, secure: bool = False) -> bool:
    try:
        get(port, "/", secure=secure)
    except (OSError, http.client.HTTPException):
        return False
    return True


def get(port: int, path: str, *, secure: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Status, fields (lower case) and body. secure: over TLS, whoever it is."""
    connection = _secure_connection(port) if secure else http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def _secure_connection(port: int) -> http.client.HTTPSConnection:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)


def cipher(port: int) -> str:
    """What TLS agrees on there: version and cipher suite."""
    connection = _secure_connection(port)
    connection.connect()
    try:
        assert isinstance(connection.sock, ssl.SSLSocket)
        suite = connection.sock.cipher()
        return f"{connection.sock.version()} {suite[0] if suite else None}"
    finally:
        connection.close()


def cpu_seconds(pid: int) -> tuple[float, float]:
    """Processor time of a process and its living children so far: all of it, and what of it was in the kernel, which is
    known by ticks of a hundredth second only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    times = [(time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED), int(fields[12]) / TICK)]  # stime, proc(5)
    times += map(cpu_seconds, children(pid))
    return sum(every for every, _ in times), sum(system for _, system in times)


def children(pid: int) -> list[int]:
    """Of a process, those that live."""
    lists = (task.read_text().split() for task in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(child) for each in lists for child in each]
