"""What the service manager is told, where there is one (sd_notify(3)): that the proxy is ready, reloads, stops."""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


def reloading() -> str:
    """With the time that `Type=notify-reload` asks for."""
    return f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}"


def main_is(pid: int) -> str:
    """Another process takes over."""
    return f"MAINPID={pid}"


def notify(state: str) -> None:
    """Never waits, never fails: nothing here depends on being heard."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.setblocking(False)
            out.sendto(state.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, half of what the service manager waits; None when it does not."""
    given = os.environ.get("WATCHDOG_USEC", "")
    if not given.isdigit() or os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(given) / 2_000_000
