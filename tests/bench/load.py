"""One measurement: wrk against one target."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

from tests.bench.machine import Machine, cpu_seconds
from tests.bench.target import Target

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Sample:
    """rate: requests per second. p99: milliseconds. cpu: microseconds of the server's processor per request, which
    moves less than the rate when other work runs on the machine. errors: answers not 2xx, and broken connections."""

    rate: float
    p99: float
    cpu: float
    errors: int


def measure(machine: Machine, target: Target, seconds: int) -> Sample:
    command = ["wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s", "--latency"]
    before = cpu_seconds(target.pid)
    done = subprocess.run(
        machine.on_core(1, [*command, target.url]), capture_output=True, text=True, check=True, timeout=seconds + 30
    )
    return parse(done.stdout, cpu_seconds(target.pid) - before)


def parse(output: str, cpu_seconds: float) -> Sample:
    """What wrk printed."""
    requests = int(_find(r"(\d+) requests in", output))
    value, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)\b", output)[0]
    broken = re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    refused = re.findall(r"Non-2xx or 3xx responses: (\d+)", output)
    return Sample(
        rate=float(_find(r"Requests/sec:\s+([\d.]+)", output)),
        p99=float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit],
        cpu=cpu_seconds * 1e6 / max(requests, 1),
        errors=sum(map(int, [*refused, *(n for group in broken for n in group)])),
    )


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"wrk said nothing like {pattern}:\n{text}")
    return found[1]
