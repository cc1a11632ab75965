"""Many exchanges at once, each of which waits inside its middleware for the stages below.

    python -m tests.bench.middleware_waiting [--exchanges 1000] [--wait 0.1]

Prints how long all took together, beside one alone, and the memory that each took while it waited.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from time import perf_counter

from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from tests.stages.test_handle import request, stage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exchanges", type=int, default=1000)
    parser.add_argument("--wait", type=float, default=0.1, help="seconds that the stages below take")
    options = parser.parse_args()
    one, _ = asyncio.run(_all(1, options.wait))
    seconds, each = asyncio.run(_all(options.exchanges, options.wait))
    print(
        f"{options.exchanges} exchanges that each wait {options.wait * 1000:g} ms: {seconds * 1000:.0f} ms together, "
        f"one alone {one * 1000:.0f} ms; {each / 1024:.0f} KiB each while they wait"
    )


async def _all(count: int, wait: float) -> tuple[float, float]:
    """Seconds, and the bytes by which the process had grown for each when all were waiting."""
    waiting, everybody = 0, asyncio.Event()
    grown = 0

    async def below(_: Request) -> Response:
        nonlocal waiting, grown
        waiting += 1
        if waiting == count:
            grown = _resident() - before
            everybody.set()
        await asyncio.sleep(wait)
        return Response(200, Fields(), b"below")

    place = stage()
    before, started = _resident(), perf_counter()
    responses = await asyncio.gather(*(place(request("/get?x"), below) for _ in range(count)))
    seconds = perf_counter() - started
    assert all(response.status == 200 for response in responses)
    return seconds, grown / count


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
