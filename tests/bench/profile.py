"""Where one of our servers spends its time under load, sampled by py-spy."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tests.bench.load import Load
from tests.bench.machine import Machine, children
from tests.bench.measure import measure
from tests.bench.target import Missing, Target

SHOWN = 25

Stack = tuple[list[str], int]
"""Frames as `function (file)`, the innermost last, and how often they were seen."""


def sampled(machine: Machine, target: Target, load: Load, seconds: int) -> list[Stack]:
    """What the event loop of the worker does under the load, in Python and below. Being sampled slows it down: what
    the time is shared among is right, how much there is of it is not."""
    return during(machine, target.case.value, target.pid, seconds, lambda: measure(machine, target, load, seconds))


def during(machine: Machine, name: str, pid: int, seconds: int, loaded: Callable[[], object]) -> list[Stack]:
    """The same of a server with that pid, while it is loaded for that long."""
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if program is None:
        raise Missing("py-spy: .venv/bin/pip install -e '.[bench]'")
    (worker,) = children(pid)
    file = machine.scratch / f"{name}.stacks"
    options = ["--pid", str(worker), "--duration", str(seconds), "--rate", "250", "--native", "--threads"]
    spy = subprocess.Popen(
        machine.beside([program, "record", *options, "--format", "raw", "--output", str(file)]),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    loaded()
    _, errors = spy.communicate(timeout=seconds + 30)
    if spy.returncode != 0:
        raise RuntimeError(f"py-spy: {errors.strip()}")
    return list(stacks(file.read_text().splitlines()))


def stacks(lines: Iterable[str]) -> Iterator[Stack]:
    """From lines `thread;outermost (file:line);…;innermost (file:line) count`, those of the main thread. Of the others
    py-spy cannot tell well whether they sleep."""
    for line in lines:
        stack, _, count = line.rpartition(" ")
        thread, *frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        if thread.endswith("MainThread"):
            yield frames, int(count)


def functions(stacks: Iterable[Stack]) -> Iterator[str]:
    """Each function's share of the samples, its own and with what it called."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for frames, count in stacks:
        own[frames[-1]] += count
        total.update(dict.fromkeys(frames, count))
    samples = max(own.total(), 1)
    yield f"{'self':>6} {'total':>6}  function"
    for name, n in own.most_common(SHOWN):
        yield f"{n / samples:6.1%} {total[name] / samples:6.1%}  {name}"
