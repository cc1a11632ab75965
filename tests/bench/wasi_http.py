"""Components of wasi:http 0.3 here and under `wasmtime serve`, on one core each, and the same work as a sluice:filter.

    python -m tests.bench.wasi_http [--rounds 3] [--seconds 2] [--only CASE …] [--profile]

The service answers with a line of JSON (filters/http/echo-c); the middleware passes on what comes. For wasmtime, both
are composed into one component. Needs wrk and taskset.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests.bench import profile, wrk
from tests.bench.load import LOADS
from tests.bench.machine import Machine, cpu_seconds, get
from tests.bench.sample import Sample
from tests.filters.test_echo import FEATURES, wasmtime
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "filters/http/built/echo-c.wasm"
MIDDLEWARE = ROOT / "tests/wasi/guests/built/middleware.wasm"
FILTER = ROOT / "filters/built/headers.wasm"
LOAD = LOADS["plain"]
PATH = "/pass"
"""What the middleware is asked to do."""

INSTANCES = {"fresh": (1, 1), "reused": (128, 16)}
"""Exchanges that an instance has in its life, and at a time; the latter is what wasmtime does by itself."""

ASKED = 0.5
"""Of wasmtime's requests per second."""


@dataclass(frozen=True, slots=True)
class Case:
    """work: a service alone, or behind one of both. instances: a key of INSTANCES, for both components."""

    work: str
    instances: str

    def __str__(self) -> str:
        return f"{self.work}-{self.instances}"


CASES = [Case(work, instances) for work in ("service", "middleware", "filter") for instances in INSTANCES]


@dataclass(frozen=True, slots=True)
class Place:
    """A case at a server."""

    case: Case
    server: str
    port: int
    pid: int


def main() -> int:
    options = _options()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("two cores are needed: one for the server, one for wrk", file=sys.stderr)
        return 1
    cases = [case for case in CASES if not options.only or str(case) in options.only]
    with tempfile.TemporaryDirectory() as scratch, Machine(Path(scratch), cores) as machine:
        places = [place for case in cases for place in _places(machine, case)]
        for place in places:
            status, _, body = get(place.port, PATH)
            assert (status, json.loads(body)["path"]) == (200, PATH), (place, status, body)
        if options.profile:
            _profile(machine, [place for place in places if place.server == "sluice"], options.seconds)
            return 0
        samples = _samples(machine, places, options.rounds, options.seconds)
    print(
        f"one core, {LOAD.connections} connections, a line of JSON; medians of {options.rounds} × {options.seconds} s"
    )
    print("\n".join(_table(samples)))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=[str(case) for case in CASES], default=[])
    parser.add_argument("--profile", action="store_true", help="say instead where Sluicegate spends its time")
    return parser.parse_args()


def _places(machine: Machine, case: Case) -> Iterator[Place]:
    port = free_port()
    file = machine.scratch / f"{case}.yaml"
    file.write_text(json.dumps(config(case, port)))
    command = [str(Path(sys.executable).with_name("sluice")), "run", str(file)]
    yield Place(case, "sluice", port, machine.serve(f"sluice-{case}", machine.measured(command), port))
    if case.work != "filter":
        component = _composed(machine.scratch) if case.work == "middleware" else SERVICE
        port = free_port()
        command = [str(wasmtime()), "serve", *_options_of_wasmtime(case), "--addr", f"127.0.0.1:{port}", str(component)]
        yield Place(case, "wasmtime", port, machine.serve(f"wasmtime-{case}", machine.measured(command), port))


def _options_of_wasmtime(case: Case) -> Iterator[str]:
    yield from FEATURES[: FEATURES.index("-O")]  # optimised, that is
    life, at_a_time = INSTANCES[case.instances]
    yield f"--max-instance-reuse-count={life}"
    yield f"--max-instance-concurrent-reuse-count={at_a_time}"


def config(case: Case, port: int) -> dict[str, object]:
    life, at_a_time = INSTANCES[case.instances]
    instances = {"reuse": life, "concurrent": at_a_time}
    grants: list[object] = [{"http": []}]
    return {
        "version": 1,
        "listeners": [{"address": f"127.0.0.1:{port}"}],
        "access_log": "off",
        "filters": {
            "service": {"component": str(SERVICE), "instance": instances},
            "middleware": {"component": str(MIDDLEWARE), "instance": instances, "grants": grants},
            "filter": {
                "component": str(FILTER),
                "instance": "pooled" if life > 1 else "fresh",
                "memo": False,
                "config": {"request": {}, "response": {}},
            },
        },
        "routes": [{"chain": [*([] if case.work == "service" else [{"filter": case.work}]), {"serve": "service"}]}],
    }


def _composed(scratch: Path) -> Path:
    """The service behind the middleware, in one component."""
    made = scratch / "composed.wasm"
    tool = Path(sys.executable).with_name("wasm-tools")
    subprocess.run([tool, "compose", MIDDLEWARE, "-d", SERVICE, "-o", made], check=True, capture_output=True)
    return made


def _samples(machine: Machine, places: Sequence[Place], rounds: int, seconds: int) -> dict[Place, list[Sample]]:
    for place in places:
        _measure(machine, place, 1)  # warm
    samples: dict[Place, list[Sample]] = {place: [] for place in places}
    for n in range(rounds):
        print(f"round {n + 1} of {rounds}", file=sys.stderr, flush=True)
        for place in places:
            samples[place].append(_measure(machine, place, seconds))
    return samples


def _measure(machine: Machine, place: Place, seconds: int) -> Sample:
    before = cpu_seconds(place.pid)
    command = machine.beside(wrk.command(LOAD, seconds, None, f"http://127.0.0.1:{place.port}{PATH}"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=True)
    now = cpu_seconds(place.pid)
    return wrk.parse(done.stdout, (now[0] - before[0], now[1] - before[1]))


def _table(samples: Mapping[Place, Sequence[Sample]]) -> Iterator[str]:
    yield f"{'case':20}{'server':10}{'requests/s':>11}{'p50 ms':>9}{'CPU µs':>9}   to wasmtime, by rate and by CPU"
    for place, found in samples.items():
        rate, p50, cpu = (median(getattr(each, name) for each in found) for name in ("rate", "p50", "cpu"))
        row = f"{place.case!s:20}{place.server:10}{rate:11,.0f}{p50:9.2f}{cpu:9.1f}"
        theirs = next((s for p, s in samples.items() if (p.case, p.server) == (place.case, "wasmtime")), None)
        if theirs is not None and place.server == "sluice":
            rates = median(mine.rate / other.rate for mine, other in zip(found, theirs, strict=True))
            costs = median(other.cpu / mine.cpu for mine, other in zip(found, theirs, strict=True))
            row += f"   {rates:.2f} and {costs:.2f} ({ASKED} asked)"
        errors = sum(each.errors for each in found)
        yield row + (f"   {errors} errors" if errors else "")


def _profile(machine: Machine, places: Sequence[Place], seconds: int) -> None:
    for place in places:
        loaded = partial(_measure, machine, place, seconds)
        print(f"\n{place.case}: {loaded().cpu:.1f} µs of processor time per request")
        stacks = profile.during(machine, str(place.case), place.pid, seconds, loaded)
        print("\n".join(profile.functions(stacks)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
