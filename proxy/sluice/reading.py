"""What each getter of `sluice:filter` reads: an observation, or a function of its argument to one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from proxy.exchange.observation import Observation

Reads = Observation | Callable[[str], Observation]


def _of(accessor: str) -> Callable[[str], Observation]:
    return lambda argument: (accessor, argument)


def _of_field(accessor: str) -> Callable[[str], Observation]:
    return lambda name: (accessor, name.lower())


REQUEST: Mapping[str, Reads] = {
    "method": ("method", ""),
    "scheme": ("scheme", ""),
    "authority": ("authority", ""),
    "path": ("path", ""),
    "query": ("query", ""),
    "query-param": _of("query-param"),
    "header": _of_field("header"),
    "headers": ("headers", ""),
    "cookie": _of("cookie"),
    "client-address": ("client-address", ""),
    "note": _of("note"),
}

RESPONSE: Mapping[str, Reads] = {
    "status": ("response.status", ""),
    "header": _of_field("response.header"),
    "headers": ("response.headers", ""),
}
