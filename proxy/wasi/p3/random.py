"""wasi:random 0.3: as in 0.2, under newer names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.component import HostInterface
from proxy.wasi import random


def interfaces(impure: Callable[[Any], None]) -> dict[str, HostInterface]:
    seed = random.seed_interface()["random/insecure-seed"].functions["insecure-seed"]
    return {
        **random.interfaces(impure),
        "random/insecure-seed": HostInterface({"get-insecure-seed": seed}),
    }
