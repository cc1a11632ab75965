"""Whether an exchange leaves something in the guest's memory that another finds: cases in a shuffled order, in one
instance.

It does not matter whether the configuration lets instances be used again: what is found here says whether it may.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from proxy.component import DecodeError, decode
from proxy.config.errors import ConfigErrors
from proxy.config.model import Filter as Declared
from proxy.config.model import Reuse
from proxy.sandbox import Engine
from proxy.server.services import serves
from proxy.wasi.p3.http import handler_of
from proxy.workshop import facts
from proxy.workshop.cases import CaseFile
from proxy.workshop.exchanges import run
from proxy.workshop.facts import Difference, Facts
from proxy.workshop.trial import declared

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leak:
    """A case that comes out otherwise when the cases `before` have been in the same instance. Cases are indices."""

    case: int
    before: Sequence[int]
    differences: Sequence[Difference]


def shuffled(cases: Sequence[int], seed: int) -> list[int]:
    """An order, and the same backwards: each has then been before every other, and before itself."""
    order = Random(seed).sample(cases, len(cases))
    return order + order[::-1]


def shortest(before: Sequence[T], shows: Callable[[Sequence[T]], bool]) -> Sequence[T]:
    """What is enough of `before` to show something: one of it, the latest that does; or else what is left when no more
    can be left out, halves first and single ones last."""
    for each in reversed(before):
        if shows([each]):
            return [each]
    left, size = list(before), len(before) // 2
    while size:
        for at in reversed(range(0, len(left), size)):
            shorter = left[:at] + left[at + size :]
            if shows(shorter):
                left = shorter
        size //= 2
    return left


def leaks(file: CaseFile, seed: int, engine: Engine) -> Iterator[Leak]:
    """Each case at most once. An instance has one configuration: cases that have another have an instance of their own.
    Raises ConfigErrors when the component cannot be run so."""
    kept = _kept(file)
    cases = file.suite.cases
    for first in (index for index, case in enumerate(cases) if case.config not in [c.config for c in cases[:index]]):
        alike = [index for index, case in enumerate(cases) if case.config == cases[first].config]
        config = declared(file, cases[first]).config
        yield from _leaks(_Runs(file, kept.model_copy(update={"config": config}), engine), alike, seed)


def _kept(file: CaseFile) -> Declared:
    """The component with an instance that is kept for all exchanges."""
    filter = file.suite.filter
    try:
        component = decode(filter.component.read_bytes())
    except (OSError, DecodeError) as error:
        raise ConfigErrors([file.error(("filter", "component"), f"{filter.component}: {error}")]) from error
    if handler_of(component.exports):
        return filter.model_copy(update={"instance": Reuse(reuse=sys.maxsize)})
    if serves(component):
        message = f"{filter.component}: of wasi:http 0.2, which has an instance for each exchange: nothing can leak"
        raise ConfigErrors([file.error(("filter", "component"), message)])
    return filter.model_copy(update={"instance": "pooled"})


def _leaks(runs: _Runs, cases: Sequence[int], seed: int) -> Iterator[Leak]:
    """An instance that has failed gets no more exchanges: a case that fails by itself comes after all others."""
    failing = [case for case in cases if runs.fails(case)]
    order = shuffled([case for case in cases if case not in failing], seed)
    different: dict[int, Sequence[int]] = {}
    for position, found in enumerate(runs.facts(order)):
        if runs.differences(order[position], found):
            different.setdefault(order[position], order[:position])
    different |= {case: order for case in failing if runs.after(order, case)}
    for case, before in different.items():
        enough = shortest(before, lambda some: bool(runs.after(some, case)))  # noqa: B023
        yield Leak(case, enough, runs.after(enough, case))


class _Runs:
    """Runs of cases, each sequence in an instance of its own."""

    def __init__(self, file: CaseFile, filter: Declared, engine: Engine) -> None:
        self._file, self._filter, self._engine = file, filter, engine
        self._alone: dict[int, tuple[Facts, Facts]] = {}

    def facts(self, order: Sequence[int]) -> list[Facts]:
        cases = [self._file.suite.cases[index] for index in order]
        return [outcome.facts for outcome in run(self._file, self._filter, cases, self._engine)[0]]

    def after(self, before: Sequence[int], case: int) -> list[Difference]:
        return self.differences(case, self.facts([*before, case])[-1])

    def fails(self, case: int) -> bool:
        return self._facts_alone(case)[0].get(("error",)) is not None

    def differences(self, case: int, found: Facts) -> list[Difference]:
        """From the case alone. What differs from one fresh instance to the next, as a time does, is not looked at."""
        alone, again = self._facts_alone(case)
        return [
            difference
            for difference in facts.contradictions(alone, found, ("alone", "after"))
            if alone.get(difference.path) == again.get(difference.path)
        ]

    def _facts_alone(self, case: int) -> tuple[Facts, Facts]:
        if case not in self._alone:
            self._alone[case] = self.facts([case])[0], self.facts([case])[0]
        return self._alone[case]
