"""wasi:random. The insecure seed is one for the whole process: hash tables are spread as they should be, and a run that
asked for it is still the same when it is run again."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface

MOST = 65536
"""Bytes that a guest gets at once."""

_SEED = (int.from_bytes(os.urandom(8)), int.from_bytes(os.urandom(8)))


class TooMuch(Exception):
    """The guest asked for more random bytes than it gets."""


def interfaces(impure: Callable[[Any], None]) -> dict[str, HostInterface]:
    def some(data: Any, length: int) -> bytes:
        if length > MOST:
            raise TooMuch(f"{length} random bytes at once; {MOST} is the most")
        impure(data)
        return os.urandom(length)

    def one(data: Any) -> int:
        impure(data)
        return int.from_bytes(os.urandom(8))

    return {
        "random/random": HostInterface({"get-random-bytes": some, "get-random-u64": one}),
        "random/insecure": HostInterface({"get-insecure-random-bytes": some, "get-insecure-random-u64": one}),
    }


def seed_interface() -> dict[str, HostInterface]:
    return {"random/insecure-seed": HostInterface({"insecure-seed": lambda data: _SEED})}
