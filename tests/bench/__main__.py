"""Measures every case at every server in alternating rounds, and prints medians and ratios."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import profile, report
from tests.bench.load import CONNECTIONS, Sample, measure
from tests.bench.machine import Machine, get
from tests.bench.servers import envoy, nginx, sluice, varnish
from tests.bench.target import CACHED, FILTERS_OF, Case, Missing, Target

SERVERS: dict[str, Callable[[Machine, int], Iterator[Target]]] = {
    "sluice": sluice.start,
    "nginx": nginx.start,
    "varnish": varnish.start,
    "envoy": envoy.start,
}


def main() -> int:
    options = _options()
    if missing := _missing_tools():
        print("\n".join(missing), file=sys.stderr)
        return 1
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("two cores are needed: one for the server, one for wrk and the origin", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch, Machine(Path(scratch), (cores[0], cores[1])) as machine:
        targets = [target for target in _start(machine, options.only) if _is_right(target)]
        if options.profile:
            for target in targets:
                if target.server == "sluice":
                    print("\n".join(profile.top(machine, target, options.seconds)), flush=True)
        else:
            _measure(machine, targets, options.rounds, options.seconds)
    return 0


def _options() -> argparse.Namespace:
    names = [*SERVERS, *(case.value for case in Case)]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each target is measured (5)")
    parser.add_argument("--seconds", type=int, default=3, help="for how long each time (3)")
    parser.add_argument("--only", nargs="+", choices=names, default=[], help="servers, cases, or both")
    parser.add_argument("--profile", action="store_true", help="say instead where Sluicegate spends its time")
    return parser.parse_args()


def _missing_tools() -> list[str]:
    needs = {"wrk": "apt-get install wrk", "taskset": "apt-get install util-linux"}
    return [f"{tool} is needed: {how}" for tool, how in needs.items() if shutil.which(tool) is None]


def _start(machine: Machine, only: list[str]) -> list[Target]:
    """Every target asked for, running; what is missing is said."""
    cases = {case for case in Case if case.value in only} or set(Case)
    targets: list[Target] = []
    origin = nginx.start_origin(machine)
    for name, start in SERVERS.items():
        if name in only or not set(SERVERS) & set(only):
            try:
                targets.extend(target for target in start(machine, origin) if target.case in cases)
            except Missing as missing:
                print(f"missing: {missing}")
    return targets


def _is_right(target: Target) -> bool:
    if problem := _problem(target):
        print(f"not measured: {target.case.value} at {target.server}: {problem}")
    return not problem


def _problem(target: Target) -> str:
    """Is what answers there what the case is about? "" when it is."""
    get(target.port)
    (status, first, body), (_, second, _) = get(target.port), get(target.port)
    filters = range(1, FILTERS_OF.get(target.case, 0) + 1)
    if status != 200 or body != nginx.BODY.encode():
        return f"it answers {status} with {len(body)} bytes"
    if (first["x-serial"] == second["x-serial"]) != (target.case in CACHED):
        return "no hit" if target.case in CACHED else "a hit"
    if first.get("x-saw", "") != "1" * len(filters) or any(first.get(f"x-filtered-{n}") != "1" for n in filters):
        return f"its filters did not do their work: {first}"
    return ""


def _measure(machine: Machine, targets: list[Target], rounds: int, seconds: int) -> None:
    for target in targets:
        measure(machine, target, 1)  # warm
    samples: dict[Target, list[Sample]] = {target: [] for target in targets}
    for n in range(rounds):
        print(f"round {n + 1} of {rounds}", file=sys.stderr, flush=True)
        for target in targets:
            samples[target].append(measure(machine, target, seconds))
    print(f"One core, {CONNECTIONS} connections, {len(nginx.BODY)}-byte bodies; medians of {rounds} × {seconds} s")
    print("\n".join(report.table(samples)))
    print("\nBudgets, as ratios to the others (above 1 is better than they)")
    print("\n".join(report.budgets(samples)))


if __name__ == "__main__":
    sys.exit(main())
