"""How long a connection waits for its client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. header: for a whole head, from its first byte (from the accept, for the first). idle: between two
    requests. body: for the next piece of a request body. write: for the client to take any of what is sent to it.
    linger: for what it still sends after we have said the last word. tunnel: for any byte, after an upgrade."""

    header: float = 10.0
    idle: float = 75.0
    body: float = 30.0
    write: float = 30.0
    linger: float = 2.0
    tunnel: float = 3600.0
