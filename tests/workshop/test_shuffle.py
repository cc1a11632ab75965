"""Which cases are enough to show a leak, and in which order they run."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from proxy.workshop.shuffle import shortest, shuffled


def test_an_order_is_its_seed() -> None:
    assert shuffled(range(9), 4) == shuffled(range(9), 4)
    assert len({tuple(shuffled(range(9), seed)) for seed in range(9)}) == 9


def test_each_has_been_before_each() -> None:
    order = shuffled(range(5), 1)
    pairs = {(order[before], order[after]) for after in range(len(order)) for before in range(after)}
    assert pairs == {(one, other) for one in range(5) for other in range(5)}


def test_one_that_is_enough_the_latest_of_them() -> None:
    asked: list[Sequence[str]] = []

    def shows(before: Sequence[str]) -> bool:
        asked.append(before)
        return "b" in before

    assert shortest("abcbd", shows) == ["b"]
    assert asked == [["d"], ["b"]]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.data())
def test_what_takes_several_is_left_with_just_these(before: list[int], data: st.DataObject) -> None:
    needed = data.draw(st.lists(st.sampled_from(range(len(before))), min_size=1, max_size=4, unique=True))
    enough = [before[index] for index in sorted(needed)]

    def shows(some: Sequence[int]) -> bool:
        rest = iter(some)
        return all(each in rest for each in enough)

    assert shortest(before, shows) == enough


def test_a_third_exchange_that_differs_needs_two_before_it() -> None:
    assert len(shortest("abcdef", lambda before: len(before) >= 2)) == 2


def test_nothing_is_left_out_of_what_shows_itself_only_once() -> None:
    assert shortest("abc", lambda _: False) == list("abc")
