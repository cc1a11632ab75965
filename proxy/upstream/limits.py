"""How much of an endpoint is used at once, and how long it is waited for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Counts are for each endpoint, times are in seconds.

    connect_timeout: for a connection to be opened, and for a busy one to become free.
    response_timeout: from the request sent to the response's head.
    body_timeout: between two pieces of either body.
    idle_timeout: how long an unused connection is kept.
    http2: the endpoint is known to speak HTTP/2, and exchanges share connections.
    """

    max_connections: int = 256
    max_waiting: int = 1024
    connect_timeout: float = 5.0
    response_timeout: float = 60.0
    body_timeout: float = 60.0
    idle_timeout: float = 60.0
    http2: bool = False
