"""What the dashboard shows, as one JSON document.

Its numbers are counters since the process began, or how many there are now; so documents of several workers are added
up by the names of routes, caches, filters and endpoints. Rates and percentiles are worked out by the page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import Any

from proxy import __version__
from proxy.admin import FilterState
from proxy.config import model
from proxy.server.assemble import route_name, stage_name
from proxy.server.watch import SHOWN
from proxy.telemetry.metrics import BOUNDS, Metrics, RouteTally


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
    tally = metrics.routes.get(route, RouteTally())
    statuses: defaultdict[str, int] = defaultdict(int)
    for digits in tally.requests.values():
        for digit, count in enumerate(digits):
            if count:
                statuses[f"{digit}xx"] += count
    return {
        "statuses": dict(statuses),
        "sent": tally.sent,
        "aborted": tally.aborted,
        "buckets": list(tally.buckets),
        "seconds": tally.seconds,
    }


def _caches(metrics: Metrics) -> dict[str, dict[str, int]]:
    caches: dict[str, dict[str, int]] = {}
    for (name, outcome), tally in metrics.cache.items():
        caches.setdefault(name, {})[outcome] = tally.requests
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


def added_up(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The documents of all workers as one."""
    sums: dict[str, Any] = reduce(summed, ({**each, "slowest": []} for each in documents))
    slowest = sorted((url for each in documents for url in each["slowest"]), key=lambda url: -url["microseconds"])
    missed = sorted(sums["missed"], key=lambda each: -each["count"])
    return {
        **sums,
        "generation": max(each["generation"] for each in documents),
        "began": min(each["began"] for each in documents),
        "now": max(each["now"] for each in documents),
        "slowest": list({each["url"]: each for each in reversed(slowest)}.values())[::-1][:SHOWN],
        "missed": missed[:SHOWN],
    }


_SAME = frozenset({"bounds", "chain", "share", "disk_bytes"})
_NAMES = ("name", "upstream", "endpoint", "cache", "url")


def summed(one: Any, other: Any) -> Any:
    """Numbers added up in the same places of two documents, where lists of mappings go by names."""
    if isinstance(one, dict):
        added = {key: one[key] if key in _SAME else summed(one[key], other[key]) for key in one.keys() & other.keys()}
        return {**one, **other, **added}
    if isinstance(one, list):
        if all(isinstance(each, dict) for each in (*one, *other)):
            return _by_name(one, other)
        return [summed(*pair) for pair in zip(one, other, strict=True)]
    return one if isinstance(one, str) else one + other


def _by_name(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = {tuple(each.get(name) for name in _NAMES): each for each in one}
    for each in other:
        name = tuple(each.get(name) for name in _NAMES)
        found[name] = summed(found[name], each) if name in found else each
    return list(found.values())
