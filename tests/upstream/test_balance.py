"""Which endpoint a request goes to, with loads and chances that the tests choose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.upstream.balance import Balance, ConsistentHash, LeastRequests, RoundRobin


@dataclass(eq=False)
class Place:
    name: str
    weight: int = 1
    load: int = 0
    factor: float = 1.0

    @property
    def share(self) -> float:
        return self.weight * self.factor


def places(*weights: int) -> list[Place]:
    return [Place(f"10.0.0.{number}:80", weight) for number, weight in enumerate(weights, 1)]


def picks(
    balance: Balance[Place],
    usable: Sequence[Place],
    count: int,
    key: Callable[[int], bytes | None] = lambda _: None,
    seed: int = 1,
) -> list[Place]:
    random = Random(seed).random
    return [balance.pick(usable, key(number), random) for number in range(count)]


weights = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def key_of(number: int) -> bytes:
    return b"key %d" % number


POLICIES: list[Callable[[], Balance[Place]]] = [RoundRobin, LeastRequests, lambda: ConsistentHash(1.25)]


@pytest.mark.parametrize("policy", POLICIES)
@given(members=weights.map(lambda some: places(*some)), data=st.data())
def test_only_what_is_usable_is_chosen(
    policy: Callable[[], Balance[Place]], members: list[Place], data: st.DataObject
) -> None:
    balance = policy()
    balance.change(members)
    for _ in range(5):
        usable = data.draw(st.lists(st.sampled_from(members), min_size=1, unique=True))
        for member in members:
            member.load = data.draw(st.integers(0, 50))
            member.factor = data.draw(st.sampled_from([0.1, 0.5, 1.0]))
        chance = iter([data.draw(st.sampled_from([0.0, 0.3, 0.999999999999])) for _ in range(2)])
        assert balance.pick(usable, data.draw(st.none() | st.binary(max_size=5)), chance.__next__) in usable


class TestRoundRobin:
    def test_in_turn(self) -> None:
        one, two, three = members = places(1, 1, 1)
        balance = RoundRobin[Place]()
        balance.change(members)
        assert picks(balance, members, 6) == [one, two, three] * 2

    def test_turns_of_a_heavy_one_are_spread(self) -> None:
        heavy, one, two = members = places(5, 1, 1)
        balance = RoundRobin[Place]()
        balance.change(members)
        assert picks(balance, members, 7) == [heavy, heavy, one, heavy, two, heavy, heavy]

    @given(weights.map(lambda some: places(*some)), st.integers(1, 3))
    def test_each_gets_its_share_exactly(self, members: list[Place], rounds: int) -> None:
        balance = RoundRobin[Place]()
        balance.change(members)
        counts = Counter(member.name for member in picks(balance, members, rounds * sum(m.weight for m in members)))
        assert counts == {member.name: rounds * member.weight for member in members}

    def test_who_was_out_is_not_given_what_it_missed(self) -> None:
        one, two, three = members = places(1, 1, 1)
        balance = RoundRobin[Place]()
        balance.change(members)
        picks(balance, [one, two], 100)
        counts = Counter(member.name for member in picks(balance, members, 30))
        assert max(counts.values()) - min(counts.values()) <= 2
        assert three.name in counts

    def test_a_slow_start_is_a_smaller_share(self) -> None:
        _, new = members = places(1, 1)
        new.factor = 0.25
        balance = RoundRobin[Place]()
        balance.change(members)
        assert picks(balance, members, 10).count(new) == 2

    def test_others_than_before(self) -> None:
        one, two, three = places(1, 1, 1)
        balance = RoundRobin[Place]()
        balance.change([one, two])
        picks(balance, [one, two], 3)
        balance.change([two, three])
        assert Counter(member.name for member in picks(balance, [two, three], 4)) == {two.name: 2, three.name: 2}


class TestLeastRequests:
    @given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 4), st.integers(1, 4), st.floats(0, 0.99))
    def test_of_two_the_one_with_less_for_its_weight(self, a: int, b: int, wa: int, wb: int, random: float) -> None:
        one, two = members = places(wa, wb)
        one.load, two.load = a, b
        chosen = LeastRequests[Place]().pick(members, None, lambda: random)
        if a / wa != b / wb:
            assert chosen is (one if a / wa < b / wb else two)

    def test_with_nothing_under_way_the_weights_decide(self) -> None:
        members = places(1, 3)
        counts = Counter(member.weight for member in picks(LeastRequests(), members, 4000))
        assert 0.22 < counts[1] / 4000 < 0.28

    @given(st.integers(0, 2**32))
    @settings(max_examples=10)
    def test_loads_stay_even_when_one_endpoint_is_slow(self, seed: int) -> None:
        """Each request to the first takes ten times as long as those to others."""
        members = places(1, 1, 1, 1, 1)
        random = Random(seed).random
        balance = LeastRequests[Place]()
        ends: dict[int, list[Place]] = {}
        for now in range(2000):
            for done in ends.pop(now, ()):
                done.load -= 1
            chosen = balance.pick(members, None, random)
            chosen.load += 1
            ends.setdefault(now + (100 if chosen is members[0] else 10), []).append(chosen)
            assert max(member.load for member in members) <= 12

    def test_the_busiest_of_many_is_never_chosen(self) -> None:
        members = places(1, 1, 1, 1)
        members[2].load = 5
        assert members[2] not in picks(LeastRequests(), members, 500)


class TestConsistentHash:
    def ring(self, members: Sequence[Place], bound: float = 1e9) -> ConsistentHash[Place]:
        balance = ConsistentHash[Place](bound)
        balance.change(members)
        return balance

    def of_keys(self, balance: ConsistentHash[Place], usable: Sequence[Place], count: int = 300) -> list[Place]:
        return picks(balance, usable, count, key_of)

    @given(weights.map(lambda some: places(*some)))
    @settings(max_examples=20)
    def test_a_key_stays_where_it_is(self, members: list[Place]) -> None:
        first = [member.name for member in self.of_keys(self.ring(members), members)]
        same = places(*(member.weight for member in members))  # in another process, say
        same.reverse()
        assert [member.name for member in self.of_keys(self.ring(same), same)] == first

    @given(st.lists(st.integers(1, 4), min_size=2, max_size=8).map(lambda some: places(*some)), st.data())
    @settings(max_examples=30)
    def test_who_goes_takes_only_its_own_keys_with_it(self, members: list[Place], data: st.DataObject) -> None:
        """Whether it is out of use or not there any more; so likewise who comes takes only what is its own."""
        gone = data.draw(st.sampled_from(members))
        rest = [member for member in members if member is not gone]
        before = self.of_keys(self.ring(members), members)
        for after in (self.of_keys(self.ring(members), rest), self.of_keys(self.ring(rest), rest)):
            assert all(now is then for now, then in zip(after, before, strict=True) if then is not gone)
            assert gone not in after

    def test_each_has_its_part_of_the_keys(self) -> None:
        members = places(1, 1, 2)
        counts = Counter(member.weight for member in self.of_keys(self.ring(members), members, 8000))
        assert 0.42 < counts[2] / 8000 < 0.58

    @given(
        st.lists(st.integers(1, 4), min_size=1, max_size=6).map(lambda some: places(*some)),
        st.sampled_from([1.05, 1.25, 2.0]),
        st.lists(st.integers(0, 3), max_size=120),
        st.data(),
    )
    @settings(max_examples=60)
    def test_nobody_has_more_than_the_bound(
        self, members: list[Place], bound: float, keys: list[int], data: st.DataObject
    ) -> None:
        """However few keys all requests are for."""
        balance = self.ring(members, bound)
        total = sum(member.weight for member in members)
        for under_way, key in enumerate(keys, 1):
            chosen = balance.pick(members, key_of(key), lambda: 0.0)
            chosen.load += 1
            assert chosen.load <= ceil(bound * under_way * chosen.weight / total)

    def test_one_key_alone_is_spread_only_as_far_as_it_must(self) -> None:
        members = places(1, 1, 1, 1)
        balance = self.ring(members, 1.5)
        for _ in range(8):
            balance.pick(members, b"hot", lambda: 0.0).load += 1
        assert sorted(member.load for member in members) == [0, 2, 3, 3]

    def test_without_a_key_chance_decides(self) -> None:
        members = places(1, 1, 1)
        assert set(picks(self.ring(members), members, 100)) == set(members)
