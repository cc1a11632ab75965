"""wrk, which loads with HTTP/1.1: how it is called, and what it says."""

from __future__ import annotations

import re

from tests.bench.load import Load
from tests.bench.sample import Sample

MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def command(load: Load, seconds: int, script: str | None, url: str) -> list[str]:
    """script: the path of one that says what is asked."""
    threads = min(load.workers, load.connections)
    options = [f"--threads={threads}", f"--connections={load.connections}", f"--duration={seconds}s", "--latency"]
    return ["wrk", *options, *([] if script is None else ["--script", script]), url]


def parse(output: str, spent: tuple[float, float]) -> Sample:
    """What wrk printed. spent: the server's processor time, and what of it was in the kernel. ValueError when nothing
    was answered."""
    requests = int(_find(r"(\d+) requests in", output))
    if not requests:
        raise ValueError(f"wrk had no answer:\n{output}")
    broken = re.findall(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
    refused = re.findall(r"Non-2xx or 3xx responses: (\d+)", output)
    return Sample(
        rate=float(_find(r"Requests/sec:\s+([\d.]+)", output)),
        p50=_percentile(50, output),
        p90=_percentile(90, output),
        p99=_percentile(99, output),
        cpu=spent[0] * 1e6 / requests,
        kernel=spent[1] * 1e6 / requests,
        errors=sum(map(int, [*refused, *(n for group in broken for n in group)])),
    )


def _percentile(n: int, output: str) -> float:
    text = _find(rf" {n}%\s+([\d.]+(?:us|ms|s))\b", output)
    value = text.rstrip("ums")
    return float(value) * MILLISECONDS[text[len(value) :]]


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise ValueError(f"wrk said nothing like {pattern}:\n{text}")
    return found[1]
