"""What is asked of a server: how many connections, for what, by whom."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """connections: open at once, each with one request under way. size: bytes of a response's body. browsers: requests
    as browsers make them, no two alike, instead of the same bare one again and again. workers: cores that a server may
    use, and processes or threads that it uses them with."""

    name: str
    connections: int = 32
    size: int = 600
    browsers: bool = False
    workers: int = 1

    @property
    def path(self) -> str:
        """Of the object that is asked for."""
        return f"/bytes/{self.size}"

    def __str__(self) -> str:
        requests = "requests of browsers, no two alike" if self.browsers else "bare requests"
        connections = f"{self.connections} connection{'s' * (self.connections != 1)}"
        workers = "one core" if self.workers == 1 else f"{self.workers} workers"
        return f"{workers}, {connections}, {requests}, bodies of {_bytes(self.size)}"


LOADS = {
    load.name: load
    for load in (
        Load("plain"),
        Load("browsers", browsers=True),
        Load("1KiB", size=1024),
        Load("64KiB", size=64 * 1024),
        Load("1MiB", size=1024 * 1024),
        Load("1-connection", connections=1),
        Load("256-connections", connections=256),
        Load("2-workers", workers=2),
    )
}

SIZES = sorted({*(load.size for load in LOADS.values()), *(kib << 10 for kib in (1, 4, 16, 64, 256, 1024))})
"""Of the objects that the origin has."""


def _bytes(size: int) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} bytes"
