"""How much memory a process takes while a body of a gigabyte passes through a middleware, which rewrites it.

    python -m tests.bench.middleware_memory [--size 1GiB]

Prints the seconds it took, and by how much the resident memory of the process has grown at most.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
from time import perf_counter

from proxy.exchange import Request, Response
from proxy.http.fields import Fields
from tests.stages.test_handle import CHUNK, Endless, request, stage

MOST = 64 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=(1 << 30) // CHUNK, help=f"of {CHUNK} bytes")
    chunks = parser.parse_args().chunks
    asyncio.run(_through(16))
    before, started = _resident(), perf_counter()
    asyncio.run(_through(chunks))
    grown = _resident() - before
    seconds = perf_counter() - started
    print(f"{chunks * CHUNK:,} bytes in {seconds:.1f} s; the process grew by {grown / (1 << 20):.1f} MiB at most")
    return 0 if grown < MOST else 1


async def _through(chunks: int) -> None:
    async def below(_: Request) -> Response:
        return Response(200, Fields(), Endless(chunks))

    response = await stage(total=600.0)(request("/upper"), below)
    assert not isinstance(response.body, bytes)
    left = chunks * CHUNK
    while chunk := await response.body.read():
        left -= len(chunk)
    assert left == 0


def _resident() -> int:
    """The most that was ever resident, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    raise SystemExit(main())
