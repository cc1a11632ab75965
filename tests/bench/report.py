"""Medians, and how they stand to each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import median

from tests.bench.measure import Samples
from tests.bench.target import Case

SLUICE = "sluice"


@dataclass(frozen=True, slots=True)
class Budget:
    """`ours` at Sluicegate must be at least `ratio` times `theirs` at the server."""

    ours: Case
    server: str
    theirs: Case
    ratio: float

    def __str__(self) -> str:
        return f"{self.ours.value} / {self.server} {self.theirs.value}"


BUDGETS = (
    Budget(Case.HIT, "nginx", Case.HIT, 1.0),
    Budget(Case.HIT_TLS, "nginx", Case.HIT_TLS, 0.4),
    Budget(Case.HIT_HTTP2, "nginx", Case.HIT_HTTP2, 1.0),
    Budget(Case.PASS, "envoy", Case.PASS, 1.0),
    Budget(Case.PASS, "nginx", Case.PASS, 0.75),
    Budget(Case.FILTER, "envoy", Case.FILTER, 1.0),
    Budget(Case.FILTER_FRESH, "envoy", Case.FILTER, 1.0),
    Budget(Case.FILTER_POOLED, "envoy", Case.FILTER, 1.0),
    Budget(Case.FILTER_HIT, SLUICE, Case.HIT, 0.85),
)


@dataclass(frozen=True, slots=True)
class Row:
    """Of the samples of a target, in their units: medians, the least processor time, as other work on the machine can
    only add to it, and all errors."""

    case: str
    server: str
    rate: float
    p50: float
    p90: float
    p99: float
    cpu: float
    errors: int


@dataclass(frozen=True, slots=True)
class Ratio:
    """What became of a budget. rate, cpu: above 1 is better than they."""

    name: str
    asked: float
    rate: float
    cpu: float

    @property
    def verdict(self) -> str:
        met = [name for name, ratio in (("rate", self.rate), ("CPU", self.cpu)) if ratio >= self.asked]
        return "met" if len(met) == 2 else f"met by {met[0]} only" if met else "NOT met"


def rows(samples: Samples) -> Iterator[Row]:
    for target, found in sorted(samples.items(), key=lambda item: (list(Case).index(item[0].case), item[0].server)):
        rate, p50, p90, p99 = (median(getattr(each, name) for each in found) for name in ("rate", "p50", "p90", "p99"))
        cpu = min(each.cpu for each in found)
        errors = sum(each.errors for each in found)
        yield Row(target.case.value, target.server, rate, p50, p90, p99, cpu, errors)


def ratios(samples: Samples) -> Iterator[Ratio]:
    """Of the budgets that were measured. By rate, which is what the budget is about: ratios within the same round, so
    that what slows both down does not count; their median. And by processor time per request, of which each has its
    least; with a server that is always busy and a core that is its own, the two are the same."""
    by_name = {(target.case, target.server): found for target, found in samples.items()}
    for budget in BUDGETS:
        ours, theirs = by_name.get((budget.ours, SLUICE)), by_name.get((budget.theirs, budget.server))
        if ours is not None and theirs is not None:
            rounds = list(zip(ours, theirs, strict=True))
            rate = median(mine.rate / other.rate for mine, other in rounds)
            cpu = min(other.cpu for other in theirs) / min(mine.cpu for mine in ours)
            yield Ratio(str(budget), budget.ratio, rate, cpu)


def table(rows: Iterable[Row]) -> Iterator[str]:
    yield f"{'case':14}{'server':10}{'requests/s':>11}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}{'CPU µs':>9}"
    for row in rows:
        text = f"{row.case:14}{row.server:10}{row.rate:11,.0f}{row.p50:9.2f}{row.p90:9.2f}{row.p99:9.2f}{row.cpu:9.1f}"
        yield text + (f"  {row.errors} errors" if row.errors else "")


def budgets(ratios: Iterable[Ratio]) -> Iterator[str]:
    yield f"{'':32}{'asked':>7}{'rate':>7}{'CPU':>7}"
    for ratio in ratios:
        yield f"{ratio.name:32}{ratio.asked:7.2f}{ratio.rate:7.2f}{ratio.cpu:7.2f}  {ratio.verdict}"
