"""What the dashboard shows, as one JSON document.

Its numbers are counters since the process began, or how many there are now; so documents of several workers are added
up by the names of routes, caches, filters and endpoints. Rates and percentiles are worked out by the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from proxy import __version__
from proxy.admin import FilterState
from proxy.config import model
from proxy.server.assemble import route_name, stage_name
from proxy.telemetry.metrics import BOUNDS, Metrics


def document(
    config: model.Config, states: Sequence[FilterState], metrics: Metrics, generation: int, began: float, now: float
) -> dict[str, Any]:
    """generation: how many configurations there were, this one included. began, now: seconds since the epoch."""
    return {
        "version": __version__,
        "generation": generation,
        "began": began,
        "now": now,
        "connections": metrics.connections(),
        "running": metrics.running(),
        "bounds": list(BOUNDS),
        "routes": [_route(index, route, metrics) for index, route in enumerate(config.routes)],
        "unrouted": _counts("", metrics),
        "caches": _caches(metrics),
        "filters": [_filter(state, metrics) for state in states],
        "upstreams": [
            {
                "upstream": upstream.upstream,
                "endpoint": sample.endpoint,
                "state": sample.state,
                "active": sample.active,
                "idle": sample.idle,
                "requests": sample.requests,
                "failures": sum(sample.failures.values()),
            }
            for upstream in metrics.upstreams()
            for sample in upstream.endpoints
        ],
        "failures": dict(metrics.failures),
    }


def _route(index: int, route: model.Route, metrics: Metrics) -> dict[str, Any]:
    name = route_name(index, route.match)
    chain = [{"stage": kind, "name": stage} for kind, stage in map(stage_name, route.chain)]
    return {"name": name, "chain": chain, **_counts(name, metrics)}


def _counts(route: str, metrics: Metrics) -> dict[str, Any]:
    statuses: defaultdict[str, int] = defaultdict(int)
    for (name, _, digit), count in metrics.requests.items():
        if name == route:
            statuses[f"{digit}xx"] += count
    durations = metrics.durations.get(route)
    return {
        "statuses": dict(statuses),
        "sent": metrics.sent.get(route, 0),
        "aborted": metrics.aborted.get(route, 0),
        "buckets": list(durations.buckets) if durations is not None else [0] * (len(BOUNDS) + 1),
        "seconds": durations.seconds if durations is not None else 0.0,
    }


def _caches(metrics: Metrics) -> dict[str, dict[str, int]]:
    caches: dict[str, dict[str, int]] = {}
    for (name, outcome), count in metrics.cache.items():
        caches.setdefault(name, {})[outcome] = count
    return caches


def _filter(state: FilterState, metrics: Metrics) -> dict[str, Any]:
    tally = metrics.filter(state.name)
    return {
        "name": state.name,
        "digest": state.digest,
        "state": state.state,
        "runs": tally.runs,
        "remembered": tally.memo_hits,
        "errors": tally.errors,
        "microseconds": tally.microseconds,
    }
