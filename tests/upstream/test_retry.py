"""What may be sent once more, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy import errors
from proxy.errors import Failure, ProxyError, Repeat
from proxy.upstream.retry import BURST, Budget, may_repeat, wait


def failure(kind: Failure, repeat: Repeat) -> ProxyError:
    error = ProxyError(kind, "")
    error.repeat = repeat
    return error


@pytest.mark.parametrize(
    ("method", "repeat", "may"),
    [
        ("GET", Repeat.IDEMPOTENT, True),
        ("PUT", Repeat.IDEMPOTENT, True),
        ("POST", Repeat.IDEMPOTENT, False),
        ("PATCH", Repeat.IDEMPOTENT, False),
        ("PURGE", Repeat.IDEMPOTENT, False),
        ("get", Repeat.IDEMPOTENT, False),
        ("POST", Repeat.ANY, True),
        ("GET", Repeat.NEVER, False),
    ],
)
def test_by_method_and_by_what_has_happened(method: str, repeat: Repeat, may: bool) -> None:
    assert may_repeat(method, failure(errors.CONNECTION_TERMINATED, repeat)) is may


@pytest.mark.parametrize("kind", [errors.HTTP_RESPONSE_TIMEOUT, errors.HTTP_PROTOCOL_ERROR, errors.PROXY_LOOP_DETECTED])
def test_some_failures_are_no_reason(kind: Failure) -> None:
    assert not may_repeat("GET", failure(kind, Repeat.ANY))


@given(st.lists(st.booleans(), max_size=300), st.floats(0, 1))
def test_never_more_than_the_burst_and_the_budget(wanted: list[bool], earns: float) -> None:
    """For each request: whether a retry is wanted for it."""
    budget = Budget(earns)
    granted = 0
    for number, retry in enumerate(wanted, 1):
        budget.earn()
        granted += retry and budget.spend()
        assert granted <= BURST + earns * number + 1e-6


def test_in_the_long_run_a_failing_origin_gets_a_fifth_more() -> None:
    budget = Budget(0.2)
    granted = 0
    for _ in range(1000):
        budget.earn()
        granted += budget.spend()
    assert granted == 200 + BURST - 1


@given(st.integers(0, 1000), st.floats(0, 1))
def test_the_wait_is_short(retry: int, random: float) -> None:
    assert 0 <= wait(retry, random) <= 0.25
