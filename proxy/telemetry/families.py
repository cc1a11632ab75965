"""Metrics as values: what several processes counted, added up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from prometheus_client import Metric, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

Family = dict[str, Any]
"""name, type, help, and samples: a list of [name, labels, value]; as JSON has it."""

_SAME = frozenset({"python_info"})
"""Says the same in every process."""
_FIRST = frozenset({"process_start_time_seconds"})
"""Of the process that began first."""
_LASTING = frozenset({"counter", "histogram"})
"""Types whose values are of the past: what a process counted stays true after its end."""


def family_of(metric: Metric) -> Family:
    samples = [[sample.name, sample.labels, sample.value] for sample in metric.samples]
    return {"name": metric.name, "type": metric.type, "help": metric.documentation, "samples": samples}


def added(parts: Iterable[Iterable[Family]]) -> list[Family]:
    """The sums, over processes."""
    families: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for part in parts:
        for family in part:
            name = family["name"]
            families.setdefault(name, family)
            sums = values.setdefault(name, {})
            for sample, labels, value in family["samples"]:
                key = sample, tuple(labels.items())
                sums[key] = _joined(name, sums[key], value) if key in sums else value
    return [
        {**family, "samples": [[sample, dict(labels), value] for (sample, labels), value in values[name].items()]}
        for name, family in families.items()
    ]


def _joined(name: str, one: float, other: float) -> float:
    if name in _SAME:
        return max(one, other)
    return min(one, other) if name in _FIRST else one + other


def lasting(families: Iterable[Family]) -> list[Family]:
    """What stays true of a process that is no more."""
    return [family for family in families if family["type"] in _LASTING]


def render(families: Iterable[Family]) -> bytes:
    """The text format of Prometheus."""
    registry = CollectorRegistry()
    registry.register(_Given(families))
    return generate_latest(registry)


class _Given(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family["name"], family["help"], family["type"])
            for name, labels, value in family["samples"]:
                metric.add_sample(name, labels, value)
            yield metric
