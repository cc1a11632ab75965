"""h2load, which loads with HTTP/2: how it is called, and what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.bench.load import Load
from tests.bench.sample import Sample

STREAMS = 16
"""Requests under way at once on a connection."""


def command(load: Load, seconds: int, log: str, urls: Iterable[str], fields: Iterable[tuple[str, str]]) -> list[str]:
    """log: the path of a file for the time that each request took. fields: of every request, as those of one browser
    stay the same on its connection."""
    connections = max(load.connections // 4, 1)  # each has many requests under way
    threads = min(load.workers, connections)
    options = [f"-t{threads}", f"-c{connections}", f"-m{STREAMS}", f"-D{seconds}", f"--log-file={log}"]
    return ["h2load", *options, *(f"--header={name}: {value}" for name, value in fields), *urls]


def parse(output: str, log: str, spent: tuple[float, float]) -> Sample:
    """What h2load printed, and what it wrote into the file: lines of start, status, and microseconds.
    spent: the server's processor time, and what of it was in the kernel."""
    rate = re.search(r"([\d.]+) req/s", output)
    counts = re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", output)
    took = sorted(int(line.split("\t")[2]) for line in log.splitlines())
    if rate is None or counts is None or not int(counts[1]) or not took:
        raise ValueError(f"h2load said nothing of rates:\n{output}")
    p50, p90, p99 = (took[len(took) * n // 100] / 1000 for n in (50, 90, 99))
    cpu, kernel = (seconds * 1e6 / int(counts[1]) for seconds in spent)
    return Sample(float(rate[1]), p50, p90, p99, cpu, kernel, errors=int(counts[2]) + int(counts[3]))
