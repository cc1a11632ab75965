"""Where one of our servers spends its time under load, sampled by py-spy."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench.load import measure
from tests.bench.machine import Machine
from tests.bench.target import Target

SHOWN = 25


def top(machine: Machine, target: Target, seconds: int) -> Iterator[str]:
    """The functions in which the most samples were taken, as lines to print."""
    program = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if program is None:
        yield "missing: py-spy: .venv/bin/pip install -e '.[bench]'"
        return
    stacks = machine.scratch / f"{target.case.value}.stacks"
    command = [program, "record", "--pid", str(target.pid), "--duration", str(seconds), "--rate", "500"]
    spy = subprocess.Popen(
        machine.on_core(1, [*command, "--threads", "--format", "raw", "--output", str(stacks)]),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    sample = measure(machine, target, seconds)
    _, errors = spy.communicate(timeout=seconds + 30)
    if spy.returncode != 0:
        yield f"py-spy: {errors.strip()}"
        return
    yield f"\n{target.case.value}: {sample.cpu:.1f} µs of processor time per request (while being sampled)"
    yield f"{'self':>6} {'total':>6}  function"
    yield from functions(stacks.read_text().splitlines())


def functions(stacks: Iterable[str]) -> Iterator[str]:
    """From lines `thread;outermost (file:line);…;innermost (file:line) count`: each function's share of the samples of
    the main thread, its own and with what it called. Of the others py-spy cannot tell well whether they sleep."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        thread, *frames = [re.sub(r":\d+\)$", ")", frame) for frame in stack.split(";")]
        if not thread.endswith("MainThread"):
            continue
        own[frames[-1]] += int(count)
        total.update(dict.fromkeys(frames, int(count)))
    samples = max(own.total(), 1)
    for name, n in own.most_common(SHOWN):
        yield f"{n / samples:6.1%} {total[name] / samples:6.1%}  {name}"
