"""wasi:clocks: the time, which makes whatever asks for it impure, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface

NANOSECONDS = 1_000_000_000


class WouldWait(Exception):
    """The guest wants to be woken later; a filter's call does not wait."""


Wake = Callable[[Any, float], object]
"""Called with the instance's data and seconds; gives what is ready then (proxy.wasi.waiting)."""


def interfaces(impure: Callable[[Any], None]) -> dict[str, HostInterface]:
    """For guests that cannot wait."""
    return waking(impure, _refuse)


def waking(impure: Callable[[Any], None], wake: Wake) -> dict[str, HostInterface]:
    def monotonic(data: Any) -> int:
        impure(data)
        return time.monotonic_ns()

    def at_instant(data: Any, when: int) -> object:
        impure(data)
        return wake(data, max(0, when - time.monotonic_ns()) / NANOSECONDS)

    def after_duration(data: Any, nanoseconds: int) -> object:
        return wake(data, nanoseconds / NANOSECONDS)

    def wall(data: Any) -> dict[str, int]:
        impure(data)
        seconds, nanoseconds = divmod(time.time_ns(), NANOSECONDS)
        return {"seconds": seconds, "nanoseconds": nanoseconds}

    return {
        "clocks/monotonic-clock": HostInterface(
            {
                "now": monotonic,
                "resolution": lambda data: 1,
                "subscribe-instant": at_instant,
                "subscribe-duration": after_duration,
            }
        ),
        "clocks/wall-clock": HostInterface(
            {"now": wall, "resolution": lambda data: {"seconds": 0, "nanoseconds": 1}},
        ),
    }


def _refuse(data: Any, seconds: float) -> object:
    raise WouldWait("a guest cannot wait for a time (wasi:clocks/monotonic-clock#subscribe)")
