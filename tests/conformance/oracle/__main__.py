"""Random guests on this host, their traces replayed on the specification's reference.

    python -m tests.conformance.oracle --definitions FILE [--runs 2000] [--seed N] [--mutate]

FILE is design/mvp/canonical-abi/definitions.py of WebAssembly/component-model. Each run is a component of two that
start tasks, cancel them, copy through streams and futures, wait, yield and hold each other back, at random and not
always as one may.
Prints the shortest trace that differs, with exit status 1. `--mutate` breaks this host in ways that the oracle has to
find.
"""

from __future__ import annotations

import argparse
import random
import sys
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from proxy.component import Linked
from proxy.sandbox import Engine
from tests.conformance.oracle import host
from tests.conformance.oracle.mutants import MUTANTS, mutated
from tests.conformance.oracle.operations import CALLS, OPERATIONS
from tests.conformance.oracle.program import Step
from tests.conformance.oracle.reference import Difference, Replay, load

STEPS = 60
"""At most, of all programs of a run."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--definitions", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mutate", action="store_true")
    options = parser.parse_args()
    definitions = load(options.definitions)
    with Engine() as engine:
        component = host.linked(engine)
        if options.mutate:
            missed = [name for name in MUTANTS if not _finds(name, component, definitions, options)]
            print(f"{len(MUTANTS)} mutants, {len(missed)} not found", *missed)
            return bool(missed)
        found = search(component, definitions, options.runs, options.seed)
    if found is not None:
        print(*found, sep="\n")
    return found is not None


def _finds(name: str, component: Linked, definitions: ModuleType, options: Any) -> bool:
    with mutated(name):
        found = search(component, definitions, options.runs, options.seed, quiet=True)
    print(f"{name}: {'not found' if found is None else f'found: {found[-1]}'}", flush=True)
    return found is not None


def search(
    component: Linked, definitions: ModuleType, runs: int, seed: int, *, quiet: bool = False
) -> list[object] | None:
    """What differs, made short; None when nothing does."""
    done: Counter[str] = Counter()
    for number in range(runs):
        chance = random.Random(f"{seed} {number}")
        choices = [chance.randrange(1 << 16) for _ in range(3 * chance.randrange(2, STEPS))]
        trace, why = compare(component, definitions, choices)
        if why:
            return [*_shortest(component, definitions, choices)]
        done.update([*OPERATIONS, *CALLS][step.order[0]].name for step in trace)
    if not quiet:
        missing = [each.name for each in [*OPERATIONS, *CALLS] if each.name not in done]
        print(f"{runs} runs, {sum(done.values())} steps, the same on both sides; not done: {missing or 'nothing'}")
    return None


def compare(component: Linked, definitions: ModuleType, choices: Sequence[int]) -> tuple[list[Step], str]:
    """The trace, and what is different."""
    trace, stopped = host.run(component, choices)
    try:
        reference = Replay(definitions, trace).run()
    except Difference as difference:
        return trace, f"{difference}; this host: {stopped or 'end'}"
    except AssertionError as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return trace, f"the specification fails in {where.name}: {where.line}; this host: {stopped or 'end'}"
    if bool(reference) != bool(stopped):
        return trace, f"the specification ends with {reference or 'no trap'}, this host with {stopped or 'no trap'}"
    return trace, ""


def _shortest(component: Linked, definitions: ModuleType, choices: list[int]) -> list[object]:
    """Takes steps away as long as there still is a difference."""
    size = len(choices) // 3
    while size:
        for start in range(0, len(choices), 3 * size):
            fewer = choices[:start] + choices[start + 3 * size :]
            if compare(component, definitions, fewer)[1]:
                choices = fewer
                break
        else:
            size //= 2
    trace, why = compare(component, definitions, choices)
    return [*trace, why]


if __name__ == "__main__":
    sys.exit(main())
