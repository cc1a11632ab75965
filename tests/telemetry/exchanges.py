"""Exchanges to log and count."""

from __future__ import annotations

from proxy.exchange import Exchange, Request
from proxy.http.fields import Fields, Line

STARTED = 1_700_000_000.5
"""2023-11-14T22:13:20.500Z"""


def request(
    *lines: Line,
    method: str = "GET",
    path: str = "/shoes",
    query: str | None = None,
    id: str = "r1",
    route: str = "shop",
) -> Request:
    exchange = Exchange(id, "192.0.2.7", STARTED)
    exchange.route = route
    return Request(method, "http", "shop.test", path, query, Fields(lines), exchange)
