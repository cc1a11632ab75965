"""What one measurement found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """rate: requests per second. p50, p90, p99: milliseconds until a response was there, of so many of a hundred. cpu:
    microseconds of the server's processor per request, which moves less than the rate when other work runs on the
    machine; kernel: those of them that it spent in the kernel. errors: answers not 2xx, and broken connections."""

    rate: float
    p50: float
    p90: float
    p99: float
    cpu: float
    kernel: float
    errors: int
