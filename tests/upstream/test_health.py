"""Whether an endpoint is to be used, on a clock that the tests turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proxy.upstream.health import Ejection, Health, State, Thresholds, may_eject

POLICY = Ejection(failures=3, errors=None, first=10, longest=60)
TWO_DOWN_THREE_UP = Thresholds(unhealthy=2, healthy=3)


def failing(health: Health, times: int) -> Health:
    for _ in range(times):
        health.failed()
    return health


class TestActive:
    def results(self, health: Health, results: str) -> str:
        """+ and - are checks that passed and failed; what the endpoint is after each: u or d."""
        states = ""
        for now, result in enumerate(results):
            health.checked(result == "+", TWO_DOWN_THREE_UP, now)
            states += "u" if health.state(now) is State.HEALTHY else "d"
        return states

    def test_it_is_up_until_something_says_otherwise(self) -> None:
        assert Health().state(0) is State.HEALTHY

    def test_the_first_check_alone_decides(self) -> None:
        assert self.results(Health(), "-") == "d"
        assert self.results(Health(), "+") == "u"

    def test_down_and_up_by_results_in_a_row(self) -> None:
        assert self.results(Health(), "+-+--++-+++-+--") == "uuuudddddduuuud"

    def test_it_is_new_again_when_it_comes_back(self) -> None:
        health = Health()
        assert self.results(health, "-+++") == "dddu"
        assert health.factor(3, 10) == 0.1
        assert health.factor(8, 10) == 0.5
        assert health.factor(13, 10) == 1


class TestPassive:
    def test_failures_in_a_row(self) -> None:
        health = failing(Health(), 2)
        health.succeeded()
        assert not failing(health, 2).due(POLICY, 0)
        assert failing(health, 1).due(POLICY, 0)

    def test_statuses_count_only_when_they_are_to(self) -> None:
        health = Health()
        for _ in range(5):
            health.erred()
        assert not health.due(POLICY, 0)
        assert health.due(Ejection(errors=5), 0)
        health.succeeded()
        assert not health.due(Ejection(errors=5), 0)

    def test_each_ejection_is_twice_as_long_as_the_one_before(self) -> None:
        health = Health()
        now = 0.0
        lengths = []
        for _ in range(5):
            health.eject(POLICY, now)
            lengths.append(health.ejected_until - now)
            now = health.ejected_until
            assert health.state(now - 0.1) is State.EJECTED
            assert health.state(now) is State.HEALTHY
        assert lengths == [10, 20, 40, 60, 60]

    def test_one_that_has_behaved_for_as_long_begins_anew(self) -> None:
        health = Health()
        health.eject(POLICY, 0)
        health.eject(POLICY, 10)
        assert health.ejected_until == 30
        health.eject(POLICY, 50)
        assert health.ejected_until == 60

    def test_one_that_comes_back_is_on_probation(self) -> None:
        health = failing(Health(), 3)
        health.eject(POLICY, 0)
        assert not health.due(POLICY, 10)
        assert failing(health, 1).due(POLICY, 10)
        health.succeeded()
        assert not failing(health, 2).due(POLICY, 10)

    def test_it_is_not_ejected_twice(self) -> None:
        health = failing(Health(), 3)
        health.eject(POLICY, 0)
        assert not failing(health, 9).due(POLICY, 5)

    def test_and_starts_slowly(self) -> None:
        health = Health()
        assert health.factor(0, 10) == 1
        health.eject(POLICY, 0)
        assert [health.factor(now, 10) for now in (10, 11, 15, 20, 25)] == [0.1, 0.1, 0.5, 1, 1]

    def test_without_slow_start_it_has_its_full_weight_at_once(self) -> None:
        assert Health(since=5).factor(5, 0) == 1
        health = Health()
        health.eject(POLICY, 0)
        assert health.factor(5, 0) == 1


@given(st.integers(0, 20), st.floats(0, 1))
def test_there_is_always_one_left(members: int, share: float) -> None:
    unusable = 0
    while may_eject(unusable, members, share):
        unusable += 1
    assert unusable <= members * share
    assert unusable < max(members, 1)


def test_half_of_them_by_default() -> None:
    assert [sum(may_eject(n, members, 0.5) for n in range(members)) for members in range(1, 6)] == [0, 1, 1, 2, 2]
