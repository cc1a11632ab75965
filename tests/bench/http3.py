"""What a cached hit costs over HTTP/3, beside the same over HTTP/2 with TLS: `python -m tests.bench.http3`.

One worker on one core; the clients on the others: h2load (apt-get install nghttp2-client), and gtlsclient of ngtcp2
(apt-get install ngtcp2-client), in turn, each with the same number of connections and as many requests at a time as it
is let. Prints the median of the rounds; and the memory that a connection takes which has nothing to do, in the codec.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.bench import certificate
from tests.bench.machine import Machine, cpu_seconds, get
from tests.bench.servers import nginx
from tests.codec.http3.talk import GET, Talk, headers
from tests.ports import free_port

SIZE = 600
CONNECTIONS = 4
REQUESTS = 1000
"""Of one connection."""

Round = tuple[float, float]
"""Requests a second, and microseconds of the server's processor for each."""


ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a hit, by the median of the rounds: requests a second, and microseconds of the server's processor."""

    protocol: str
    rate: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Compared:
    """ratio: of processor time, HTTP/3 to HTTP/2, in the same round, at the median. idle: bytes of an idle connection,
    with this version of aioquic."""

    costs: list[Cost]
    ratio: float
    idle: float
    aioquic: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.http3", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    for program, package in (("h2load", "nghttp2-client"), ("gtlsclient", "ngtcp2-client")):
        if shutil.which(program) is None:
            print(f"{program} is needed: apt-get install {package}", file=sys.stderr)
            return 1
    found = compare(options.rounds)
    print(f"cached hit of {SIZE} bytes over TLS, {CONNECTIONS} connections, one core")
    for cost in found.costs:
        print(f"{cost.protocol} {cost.rate:9,.0f} requests/s {cost.cpu:8.1f} µs of CPU")
    print(f"HTTP/3 takes {found.ratio:.1f} times the processor time of HTTP/2")
    print(f"an idle connection takes {found.idle / 1024:.0f} KiB, with aioquic {found.aioquic}")
    return 0


def compare(number: int = ROUNDS) -> Compared:
    """In so many rounds."""
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as scratch, Machine(Path(scratch), cores) as machine:
        port, admin, pid = _start(machine)
        rounds: dict[str, list[Round]] = {"HTTP/2": [], "HTTP/3": []}
        for turn in range(number + 1):
            for name, load in (("HTTP/2", _http2), ("HTTP/3", _http3)):
                found = _measure(machine, load(port), pid, admin)
                rounds[name] += [found] if turn else []  # the first is to warm up
    costs = [
        Cost(name, median(rate for rate, _ in each), median(cpu for _, cpu in each)) for name, each in rounds.items()
    ]
    pairs = zip(rounds["HTTP/3"], rounds["HTTP/2"], strict=True)
    ratio = median(three[1] / two[1] for three, two in pairs)
    return Compared(costs, ratio, _memory(), version("aioquic"))


def _memory(number: int = 20) -> float:
    """Bytes of our side of a connection, once a request has been answered."""
    Talk()
    gc.collect()
    tracemalloc.start()
    before, kept = tracemalloc.get_traced_memory()[0], []
    for _ in range(number):
        talk = Talk()
        talk.request(headers(*GET))
        talk.server.send_fields(talk.server.streams[0], [(b":status", b"200")], end=True)
        talk.turn()
        del talk.client
        kept.append(talk)
    gc.collect()
    return (tracemalloc.get_traced_memory()[0] - before) / len(kept)


def _start(machine: Machine) -> tuple[int, int, int]:
    """Ports of the proxy and of its admin listener, and its pid."""
    chain, key = certificate.write(machine.scratch)
    port, admin, origin = free_port(), free_port(), nginx.start_origin(machine)
    tls = {"certificates": [{"certificate": str(chain), "key": str(key)}]}
    config = {
        "version": 1,
        "listeners": [{"address": f"127.0.0.1:{port}", "tls": tls, "protocols": ["http/1.1", "h2", "h3"]}],
        "admin": {"address": f"127.0.0.1:{admin}"},
        "access_log": "off",
        "upstreams": {"origin": {"endpoints": [f"http://127.0.0.1:{origin}"]}},
        "routes": [{"chain": [{"cache": {"name": "pages"}}, {"forward": "origin"}]}],
    }
    path = machine.scratch / "http3.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    command = machine.measured([str(Path(sys.executable).parent / "sluice"), "run", str(path)])
    return port, admin, machine.serve("sluice", command, port, secure=True)


def _http2(port: int) -> list[list[str]]:
    requests = f"-n{CONNECTIONS * REQUESTS * 5}"  # to take about as long
    return [["h2load", "-t1", f"-c{CONNECTIONS}", "-m100", requests, f"https://127.0.0.1:{port}/bytes/{SIZE}"]]


def _http3(port: int) -> list[list[str]]:
    url = f"https://127.0.0.1:{port}/bytes/{SIZE}"
    one = ["gtlsclient", "-q", "--exit-on-all-streams-close", f"-n{REQUESTS}", "127.0.0.1", str(port), url]
    return [one] * CONNECTIONS


def _measure(machine: Machine, commands: Sequence[list[str]], pid: int, admin: int) -> Round:
    answered, spent, began = _answered(admin), sum(cpu_seconds(pid)), time.perf_counter()
    running = [
        subprocess.Popen(machine.beside(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    if any(each.wait(120) for each in running):
        raise RuntimeError(f"{commands[0][0]} failed")
    took = time.perf_counter() - began
    spent, answered = sum(cpu_seconds(pid)) - spent, _answered(admin) - answered
    return answered / took, spent * 1e6 / answered


def _answered(admin: int) -> int:
    """Requests so far, by what the proxy counts."""
    _, _, body = get(admin, "/metrics")
    counts = re.findall(r"^sluice_requests_total\{[^}]*\} ([\d.e+]+)$", body.decode(), re.MULTILINE)
    return int(sum(map(float, counts)))


if __name__ == "__main__":
    sys.exit(main())
