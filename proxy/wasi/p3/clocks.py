"""wasi:clocks 0.3."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface, resting
from proxy.wasi.clocks import NANOSECONDS


def interfaces(impure: Callable[[Any], None]) -> dict[str, HostInterface]:
    def monotonic(data: Any) -> int:
        impure(data)
        return time.monotonic_ns()

    def system(data: Any) -> dict[str, int]:
        impure(data)
        seconds, nanoseconds = divmod(time.time_ns(), NANOSECONDS)
        return {"seconds": seconds, "nanoseconds": nanoseconds}

    @resting
    async def wait_until(data: Any, when: int) -> None:
        await asyncio.sleep(max(0, when - time.monotonic_ns()) / NANOSECONDS)

    @resting
    async def wait_for(data: Any, nanoseconds: int) -> None:
        await asyncio.sleep(nanoseconds / NANOSECONDS)

    def resolution(data: Any) -> int:
        return 1

    return {
        "clocks/monotonic-clock": HostInterface(
            {"now": monotonic, "get-resolution": resolution, "wait-until": wait_until, "wait-for": wait_for}
        ),
        "clocks/system-clock": HostInterface({"now": system, "get-resolution": resolution}),
    }
