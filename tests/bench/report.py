"""Medians, and how they stand to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.load import Sample
from tests.bench.target import Case, Target

Samples = Mapping[Target, Sequence[Sample]]
"""For each target one sample of each round."""

SLUICE = "sluice"


@dataclass(frozen=True, slots=True)
class Budget:
    """`ours` at Sluicegate must be at least `ratio` times `theirs` at the server."""

    ours: Case
    server: str
    theirs: Case
    ratio: float


BUDGETS = (
    Budget(Case.HIT, "nginx", Case.HIT, 1.0),
    Budget(Case.PASS, "envoy", Case.PASS, 1.0),
    Budget(Case.FILTER, "envoy", Case.FILTER, 1.0),
    Budget(Case.FILTER_FRESH, "envoy", Case.FILTER, 1.0),
    Budget(Case.FILTER_POOLED, "envoy", Case.FILTER, 1.0),
    Budget(Case.FILTER_HIT, SLUICE, Case.HIT, 0.85),
)


def table(samples: Samples) -> Iterator[str]:
    yield f"{'case':14}{'server':10}{'requests/s':>11}{'p99 ms':>9}{'CPU µs':>9}"
    for target, rounds in sorted(samples.items(), key=lambda item: (list(Case).index(item[0].case), item[0].server)):
        row = f"{target.case.value:14}{target.server:10}{median(s.rate for s in rounds):11,.0f}"
        row += f"{median(s.p99 for s in rounds):9.2f}{median(s.cpu for s in rounds):9.1f}"
        errors = sum(s.errors for s in rounds)
        yield row + (f"  {errors} errors" if errors else "")


def budgets(samples: Samples) -> Iterator[str]:
    """Ratios within the same round, so that what slows both down does not count; their median. By rate, which is
    what the budget is about, and by processor time per request, which other work on the machine moves less."""
    by_name = {(target.case, target.server): rounds for target, rounds in samples.items()}
    yield f"{'':32}{'asked':>7}{'rate':>7}{'CPU':>7}"
    for budget in BUDGETS:
        ours, theirs = by_name.get((budget.ours, SLUICE)), by_name.get((budget.theirs, budget.server))
        name = f"{budget.ours.value} / {budget.server} {budget.theirs.value}"
        if ours is None or theirs is None:
            yield f"{name:32}{budget.ratio:7.2f}  not measured"
            continue
        rounds = list(zip(ours, theirs, strict=True))
        rate = median(mine.rate / other.rate for mine, other in rounds)
        cpu = median(other.cpu / mine.cpu for mine, other in rounds)
        yield f"{name:32}{budget.ratio:7.2f}{rate:7.2f}{cpu:7.2f}  {'met' if rate >= budget.ratio else 'NOT met'}"
