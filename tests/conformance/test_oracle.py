"""The guests of the oracle, without the specification's own code: what it has found stays mended."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from proxy.component import Linked
from proxy.sandbox import Engine
from tests.conformance.oracle import host
from tests.conformance.oracle.operations import NUMBER
from tests.conformance.oracle.program import Words


@pytest.fixture(scope="module")
def component() -> Iterator[Linked]:
    with Engine() as engine:
        yield host.linked(engine)


def test_the_same_choices_lead_to_the_same_trace(component: Linked) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        choices = [chance.randrange(1 << 16) for _ in range(90)]
        assert host.run(component, choices) == host.run(component, choices)


class Script:
    """Fixed operations of each program, and what they gave."""

    def __init__(self, *programs: str) -> None:
        self._orders = [iter(program.split(", ")) for program in programs]
        self.results: list[list[int]] = [[] for _ in programs]

    def next(self, number: int, r: int, p: int, q: int) -> Words:
        self.results[number].append(r)
        name, *arguments = next(self._orders[number]).split("/")
        a, b, c = [*map(int, arguments), 0, 0, 0][:3]
        return NUMBER[name], a, b, c


RETURNED = 2


def test_a_subtask_that_has_begun_is_not_taken_for_one_that_has_ended(component: Linked) -> None:
    """The second call is held back by the first, begins, and waits for what the third writes. To cancel it takes until
    then, though that it has begun is an event all the while."""
    script = Script(
        "call sync/1, call callback/2, call stackful/3, thread.yield, thread.yield, "
        "subtask.cancel/2, task.return, exit",
        "thread.yield, exit",
        "future.new, future.read/1/3072, task.return, exit",
        "task.return, thread.yield, thread.yield, thread.yield, thread.yield, future.write async/2/2048, exit",
    )
    assert host.follow(component, script) == ""
    assert script.results[0][6] == RETURNED
