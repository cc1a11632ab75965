"""Starts the demo: its origin and the proxy, says what to try, and stops both on Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
PATIENCE = 120.0
"""Seconds for the first start, which compiles the filters."""

TRY = """
Sluicegate serves the demo on {url}     (Ctrl-C stops it)

A miss at both caches, then a hit at the upper one: run it twice
    curl -si {url}/about.html | grep -i cache-status
A variant: the page is kept once for each value of the cookie that a filter below the cache reads ...
    curl -si -H 'Cookie: design=a' {url}/ | grep -i cache-status
    curl -si -H 'Cookie: design=b' {url}/ | grep -i cache-status
... and what nothing reads makes no difference
    curl -si -H 'Cookie: design=b' -H 'Accept-Language: de' {url}/ | grep -i cache-status
A blocked request, and one with a key
    curl -i {url}/api/products
    curl -i -H 'X-Api-Key: demo' {url}/api/products
A transformed body: the origin's page has no banner
    curl -s {origin}/ | grep -c banner
    curl -s {url}/ | grep banner
Slow the first time, a redirect, an upload that comes back
    time curl -s {url}/slow
    curl -sI {url}/old/about
    curl -s -d 'hello' {url}/echo
What happens, in a browser: {admin}/dashboard
Health, metrics, the configuration in effect
    curl -s {admin}/readyz
    curl -s {admin}/metrics | grep ^sluice_
    curl -s {admin}/config

The configuration is demo/sluice.yaml. Below: each request that reaches the origin, and the access log.
"""


def main() -> int:
    ports = {name: int(os.environ.get(name, default)) for name, default in
             (("PORT", "8080"), ("ORIGIN_PORT", "9000"), ("ADMIN_PORT", "9901"))}  # fmt: skip
    for name, port in ports.items():
        if is_taken(port):
            print(f"port {port} of 127.0.0.1 is taken. Stop what listens there, or choose another:", file=sys.stderr)
            print(f"    {name}={port + 1} ./scripts/run", file=sys.stderr)
            return 1
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        return run(ports, processes)
    except KeyboardInterrupt:
        return 0
    finally:
        stop(processes)


def run(ports: Mapping[str, int], processes: list[subprocess.Popen[bytes]]) -> int:
    """Start both and wait for either to end, which neither should."""
    url, origin, admin = (f"http://127.0.0.1:{ports[name]}" for name in ("PORT", "ORIGIN_PORT", "ADMIN_PORT"))
    environment = {
        **os.environ,
        "SLUICE_ADDRESS": url.removeprefix("http://"),
        "SLUICE_ADMIN": admin.removeprefix("http://"),
        "SLUICE_ORIGIN": origin,
    }
    commands = (
        [sys.executable, str(HERE / "origin.py"), str(ports["ORIGIN_PORT"])],
        [str(Path(sys.executable).parent / "sluice"), "run", str(HERE / "sluice.yaml")],
    )
    # In groups of their own: Ctrl-C comes here alone, and `stop` keeps the order.
    processes += [subprocess.Popen(command, env=environment, process_group=0) for command in commands]
    print("starting; the first time compiles the filters", flush=True)
    deadline = time.monotonic() + PATIENCE
    while not is_ready(admin):
        if any(process.poll() is not None for process in processes) or time.monotonic() > deadline:
            print("the demo did not start; the reason should stand above", file=sys.stderr)
            return 1
        time.sleep(0.1)
    print(TRY.format(url=url, origin=origin, admin=admin), flush=True)
    while all(process.poll() is None for process in processes):
        time.sleep(0.2)
    return 1


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """The proxy first, so that it can finish what it has under way. Another Ctrl-C changes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for process in reversed(processes):
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def is_ready(admin: str) -> bool:
    try:
        with urllib.request.urlopen(f"{admin}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _as_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
