"""An exchange of wasi:http 0.3 in this process, without sockets (`inside.py`), and what of it is where.

    python -m tests.bench.wasi_http_inside [--rounds 300]

The same service and middleware as in `python -m tests.bench.wasi_http`. Microseconds, the best of many short rounds: of
the processor for all of it; and on the wall, of another round in which clocks are read on the way, in the host's
functions that guests call, in guests (what it takes to get there included), and for making instances and closing them.
What is left is tasks, streams, messages, and HTTP.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter_ns, process_time_ns
from typing import Any
from unittest.mock import patch

import uvloop

from proxy.component import Instance, Linked
from proxy.component.tasks import task, thread
from proxy.sandbox import Engine, Linker
from proxy.server.worker import UNCOLLECTED
from tests.bench.inside import Inside, get
from tests.bench.wasi_http import CASES, PATH, Case, config

BATCH = 10
REQUEST = get(PATH)

PARTS = ("host", "guest", "instances")


class Clocks:
    """Nanoseconds spent in each part, and how often it was entered."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.spent = dict.fromkeys(PARTS, 0)
        self.times = dict.fromkeys(PARTS, 0)

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """What the function spends in a part within it is not counted in its own."""

        def timed(*arguments: Any) -> Any:
            within, started = sum(self.spent.values()), perf_counter_ns()
            try:
                return function(*arguments)
            finally:
                taken = perf_counter_ns() - started
                self.spent[part] += taken - (sum(self.spent.values()) - within)
                self.times[part] += 1

        return timed

    @contextmanager
    def placed(self) -> Iterator[None]:
        """In what is made meanwhile."""
        define = Linker.define

        def defined(linker: Linker, module: str, name: str, kind: Any, function: Any) -> None:
            define(linker, module, name, kind, self.timed("host", function))

        with ExitStack() as stack:
            stack.enter_context(patch.object(Linker, "define", defined))
            stack.enter_context(patch.object(task, "call_core", self.timed("guest", thread.call_core)))
            for owner, name in ((Linked, "instantiate"), (Instance, "close")):
                stack.enter_context(patch.object(owner, name, self.timed("instances", getattr(owner, name))))
            yield


async def _batch(proxy: Inside) -> float:
    """Microseconds of an exchange."""
    started = process_time_ns()
    for _ in range(BATCH):
        proxy(REQUEST)
        await asyncio.sleep(0)
    return (process_time_ns() - started) / BATCH / 1000


async def _measure(folder: Path, engine: Engine, case: Case, rounds: int) -> str:
    plain = Inside(folder, engine, config(case, 8080))
    clocks = Clocks()
    with clocks.placed():
        clocked = Inside(folder, engine, config(case, 8080))
        await _batch(plain)
        await _batch(clocked)
        gc.collect()
        gc.freeze()
        gc.set_threshold(UNCOLLECTED)  # as in a worker
        least, parts = float("inf"), dict[str, tuple[float, int]]()
        for _ in range(rounds):
            clocks.clear()
            taken = await _batch(clocked)
            if taken < least:
                least = taken
                parts = {name: (clocks.spent[name] / BATCH / 1000, clocks.times[name] // BATCH) for name in PARTS}
    total = min([await _batch(plain) for _ in range(rounds)])
    shown = "".join(f"{spent:8.1f} ({times:2})" for spent, times in parts.values())
    return f"{case!s:20}{total:8.1f}{shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    print(f"{'µs of an exchange':20}{'all':>8}" + "".join(f"{part:>13}" for part in PARTS))
    for case in CASES:
        if case.work != "filter":
            with (
                Engine() as engine,
                tempfile.TemporaryDirectory() as folder,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                print(runner.run(_measure(Path(folder), engine, case, rounds)), flush=True)


if __name__ == "__main__":
    main()
