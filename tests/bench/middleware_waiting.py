"""Many exchanges at once, each of which waits inside its middleware for the stages below.

    python -m tests.bench.middleware_waiting [--exchanges 1000] [--wait 0.1]

Prints how long all took together, in the first round (places in the pool are used for the first time) and in a later
one, beside one alone; the processor's time of each, beside that of the same exchanges without the middleware and of
exchanges one after the other; and the memory that each took while it waited.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, NamedTuple, TypeVar

import uvloop

from proxy.chain.stage import Below
from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from proxy.server.worker import UNCOLLECTED
from tests.stages.test_handle import request, stage

ROUNDS = 5
"""After the first, of which the best is told: the machine may have other work."""

T = TypeVar("T")
Place = Callable[[Request, Below], Awaitable[Response]]


class Round(NamedTuple):
    wall: float
    processor: float
    """Seconds of an exchange."""
    memory: float
    """Bytes by which the process had grown for each when all were waiting."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=1000)
    parser.add_argument("--wait", type=float, default=0.1, help="seconds that the stages below take")
    options = parser.parse_args()
    count, wait = options.exchanges, options.wait
    middleware = stage()
    _run(_all(middleware, 1, 0))
    gc.collect()
    gc.freeze()  # as workers do when they have loaded everything
    gc.set_threshold(UNCOLLECTED)
    one = _run(_all(middleware, 1, wait))
    first = _run(_all(middleware, count, wait))
    later = min(_run(_all(middleware, count, wait)) for _ in range(ROUNDS))
    without = min(_run(_all(_without, count, wait)) for _ in range(ROUNDS))
    alone = min(_run(_one_by_one(middleware, count)) for _ in range(ROUNDS))
    print(f"{count} exchanges that each wait {wait * 1000:g} ms, one alone {one.wall * 1000:.0f} ms:")
    for name, result in (("first round", first), ("later", later), ("without the middleware", without)):
        print(f"  {name}: {result.wall * 1000:.0f} ms together, {result.processor * 1e6:.0f} µs of the processor each")
    print(f"  one after the other, without waiting: {alone * 1e6:.0f} µs of the processor each")
    print(f"  {first.memory / 1024:.0f} KiB each while they wait")


def _run(coroutine: Coroutine[Any, Any, T]) -> T:
    """On the loop that workers have."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


async def _without(asked: Request, below: Below) -> Response:
    return await below(asked)


async def _all(place: Place, count: int, wait: float) -> Round:
    waiting, grown = 0, 0

    async def below(_: Request) -> Response:
        nonlocal waiting, grown
        waiting += 1
        if waiting == count:
            grown = _resident() - before
        await asyncio.sleep(wait)
        return Response(200, Fields(), b"below")

    before, started, used = _resident(), perf_counter(), process_time()
    responses = await asyncio.gather(*(place(request("/get?x"), below) for _ in range(count)))
    took = Round(perf_counter() - started, (process_time() - used) / count, grown / count)
    assert all(response.status == 200 for response in responses)
    return took


async def _one_by_one(place: Place, count: int) -> float:
    async def below(_: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, Fields(), b"below")

    used = process_time()
    for _ in range(count):
        await place(request("/get?x"), below)
    return (process_time() - used) / count


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
