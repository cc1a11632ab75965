"""What one guest instance may use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`memory`: bytes of all linear memories of an instance together, and of what one call may make the host build
    from them. `tables`: elements of each table. `time`: seconds of one call into the guest, host functions included;
    a call that runs longer is ended before twice that, or later if the machine has other work (proxy.sandbox.ticker).
    How deep the stack may get is the same for all guests (proxy.sandbox.engine)."""

    memory: int = 32 << 20
    tables: int = 20_000
    time: float = 0.05
