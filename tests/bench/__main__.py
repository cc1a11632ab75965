"""Measures every case at every server in alternating rounds, and prints medians and ratios."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence

from tests.bench import layers, profile, report
from tests.bench.load import LOADS
from tests.bench.measure import SERVERS, measure, measured, running
from tests.bench.target import Case


def main() -> int:
    options = _options()
    if missing := _missing_tools():
        print("\n".join(missing), file=sys.stderr)
        return 1
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        print("two cores are needed: one for the server, one for wrk and the origin", file=sys.stderr)
        return 1
    if options.profile:
        _profile(options, cores)
        return 0
    loads = list(LOADS.values()) if options.all else [LOADS[name] for name in options.load]
    everything = measured(
        loads, lambda case, server: _wants(options.only, case, server), cores, options.rounds, options.seconds
    )
    for load, samples in everything:
        print(f"\n{load.name}: {load}; medians of {options.rounds} × {options.seconds} s, the least CPU")
        print("\n".join(report.table(report.rows(samples))))
        print("\nBudgets, as ratios to the others (above 1 is better than they)")
        print("\n".join(report.budgets(report.ratios(samples))), flush=True)
    return 0


def _profile(options: argparse.Namespace, cores: Sequence[int]) -> None:
    load = LOADS[options.load[0]]
    with running(lambda case, server: server == "sluice" and _wants(options.only, case, server), cores) as those:
        machine, targets = those
        for target in targets:
            plain = measure(machine, target, load, options.seconds)
            stacks = profile.sampled(machine, target, load, options.seconds)
            print(f"\n{target.case.value}: {plain.cpu:.1f} µs of processor time per request")
            costs = layers.costs(stacks, plain.cpu - plain.kernel, plain.kernel)
            print("\n".join(f"{cost:6.1f} µs  {name}" for name, cost in costs.items()))
            print("\n".join(profile.functions(stacks)), flush=True)


def _options() -> argparse.Namespace:
    names = [*SERVERS, *(case.value for case in Case)]
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each target is measured (5)")
    parser.add_argument("--seconds", type=int, default=3, help="for how long each time (3)")
    parser.add_argument("--only", nargs="+", choices=names, default=[], help="servers, cases, or both")
    parser.add_argument("--load", nargs="+", choices=LOADS, default=["plain"], help="what is asked, and how (plain)")
    parser.add_argument("--all", action="store_true", help="one load after the other")
    parser.add_argument("--profile", action="store_true", help="say instead where Sluicegate spends its time")
    return parser.parse_args()


def _wants(only: list[str], case: Case, server: str) -> bool:
    cases, servers = {case.value for case in Case} & set(only), set(SERVERS) & set(only)
    return (not cases or case.value in cases) and (not servers or server in servers)


def _missing_tools() -> list[str]:
    needs = {
        "wrk": "apt-get install wrk",
        "h2load": "apt-get install nghttp2-client",
        "taskset": "apt-get install util-linux",
    }
    return [f"{tool} is needed: {how}" for tool, how in needs.items() if shutil.which(tool) is None]


if __name__ == "__main__":
    sys.exit(main())
