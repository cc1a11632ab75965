"""wasi:clocks: the time, which makes whatever asks for it impure. Waiting for it is not offered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface

NANOSECONDS = 1_000_000_000


class WouldWait(Exception):
    """The guest wants to be woken later; a filter's call does not wait."""


def interfaces(impure: Callable[[Any], None]) -> dict[str, HostInterface]:
    def monotonic(data: Any) -> int:
        impure(data)
        return time.monotonic_ns()

    def wall(data: Any) -> dict[str, int]:
        impure(data)
        seconds, nanoseconds = divmod(time.time_ns(), NANOSECONDS)
        return {"seconds": seconds, "nanoseconds": nanoseconds}

    return {
        "clocks/monotonic-clock": HostInterface(
            {
                "now": monotonic,
                "resolution": lambda data: 1,
                "subscribe-instant": _subscribe,
                "subscribe-duration": _subscribe,
            }
        ),
        "clocks/wall-clock": HostInterface(
            {"now": wall, "resolution": lambda data: {"seconds": 0, "nanoseconds": 1}},
        ),
    }


def _subscribe(data: Any, when: int) -> object:
    raise WouldWait("a guest cannot wait for a time (wasi:clocks/monotonic-clock#subscribe)")
