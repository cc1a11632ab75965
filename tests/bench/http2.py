"""`python -m tests.bench.http2`: a cached hit over HTTP/2 with TLS, ours and nginx's in alternating rounds.

Needs h2load (apt-get install nghttp2-client) and nginx. One core for the server, the other for h2load.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import trustme

from tests.bench.machine import Machine, cpu_seconds, free_port
from tests.bench.servers import nginx

CONNECTIONS, STREAMS = 8, 16

NGINX = """
  proxy_cache_path {folder}/cache keys_zone=pages:10m;
  server {{
    listen 127.0.0.1:{clear}; listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/chain.pem; ssl_certificate_key {folder}/key.pem; http2_max_requests 100000000;
    location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache pages; }}
  }}
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.http2", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    if shutil.which("h2load") is None or len(cores) < 2:
        print("h2load (apt-get install nghttp2-client) and two cores are needed", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch, Machine(Path(scratch), (cores[0], cores[1])) as machine:
        targets = _start(machine)
        rates: dict[str, list[tuple[float, float]]] = {name: [] for name in targets}
        for n in range(options.rounds + 1):
            for name, (port, pid) in targets.items():
                sample = _measure(machine, port, pid, options.seconds if n else 1)
                rates[name] += [sample] if n else []  # the first is to warm up
    of = f"{CONNECTIONS} connections of {STREAMS} streams, one core"
    print(f"HTTP/2 over TLS, cached hit of {len(nginx.BODY)} bytes, {of}")
    for name, samples in rates.items():
        rate, cpu = median(rate for rate, _ in samples), median(cpu for _, cpu in samples)
        print(f"{name:10}{rate:11,.0f} requests/s{cpu:9.1f} µs of CPU")
    pairs = list(zip(rates["sluice"], rates["nginx"], strict=True))
    print(f"ratio     {median(ours[0] / theirs[0] for ours, theirs in pairs):11.2f}, by CPU ", end="")
    print(f"{median(theirs[1] / ours[1] for ours, theirs in pairs):.2f}")
    return 0


def _start(machine: Machine) -> dict[str, tuple[int, int]]:
    """Port and pid of each server."""
    folder = machine.scratch / "nginx-h2"
    folder.mkdir()
    pair = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(each.bytes() for each in pair.cert_chain_pems))
    key.write_bytes(pair.private_key_pem.bytes())
    origin = nginx.start_origin(machine)
    ports = [free_port() for _ in range(4)]
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin") or "nginx"
    config = folder / "nginx.conf"
    http = NGINX.format(folder=folder, clear=ports[0], port=ports[1], origin=origin)
    config.write_text(nginx.FRAME.format(folder=folder, http=http, user=nginx.user()))
    command = [program, "-p", str(folder), "-c", str(config), "-e", "stderr"]
    pids = {"nginx": machine.serve("nginx-h2", 0, command, ports[0])}
    ours = machine.scratch / "h2.yaml"
    ours.write_text(json.dumps(_config(ports[2], ports[3], origin, chain, key)))  # JSON is YAML
    sluice = str(Path(sys.executable).parent / "sluice")
    pids["sluice"] = machine.serve("sluice-h2", 0, [sluice, "run", str(ours)], ports[2])
    return {"sluice": (ports[3], pids["sluice"]), "nginx": (ports[1], pids["nginx"])}


def _config(clear: int, port: int, origin: int, chain: Path, key: Path) -> dict[str, object]:
    tls = {"certificates": [{"certificate": str(chain), "key": str(key)}]}
    return {
        "version": 1,
        "listeners": [{"address": f"127.0.0.1:{clear}"}, {"address": f"127.0.0.1:{port}", "tls": tls}],
        "access_log": "off",
        "upstreams": {"origin": {"endpoints": [f"http://127.0.0.1:{origin}"]}},
        "routes": [{"chain": [{"cache": {"name": "pages"}}, {"forward": "origin"}]}],
    }


def _measure(machine: Machine, port: int, pid: int, seconds: int) -> tuple[float, float]:
    """Requests a second, and microseconds of processor time for each."""
    url = f"https://127.0.0.1:{port}/item"
    command = ["h2load", "-t1", f"-c{CONNECTIONS}", f"-m{STREAMS}", f"-D{seconds}", url]
    before = cpu_seconds(pid)
    run = subprocess.run(machine.on_core(1, command), capture_output=True, text=True, check=True, timeout=seconds + 30)
    spent = cpu_seconds(pid) - before
    found = re.search(r"([\d.]+) req/s", run.stdout)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", run.stdout)
    if found is None or counts is None or not int(counts[1]) or int(counts[2]) or int(counts[3]):
        raise RuntimeError(run.stdout)
    return float(found[1]), spent * 1e6 / int(counts[1])


if __name__ == "__main__":
    sys.exit(main())
