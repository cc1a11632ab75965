"""Secrets of tickets, by time."""

from __future__ import annotations

import pytest

from proxy.tls.ticket_keys import LENGTH, PERIOD, TicketKeys


def test_a_key_is_used_for_one_period_and_known_for_two() -> None:
    keys = TicketKeys(b"secret", 100.0)
    (first,) = keys.of(b"1", 100.0)
    assert len(first) == LENGTH
    assert keys.of(b"1", 99.0 + PERIOD) == (first,)
    second, before = keys.of(b"1", 100.0 + PERIOD)
    assert (before, second != first) == (first, True)
    third, before = keys.of(b"1", 100.0 + 2 * PERIOD)
    assert (before, third not in (first, second)) == (second, True)


@pytest.mark.parametrize("looks", [[], [PERIOD], [10.0, 2.5 * PERIOD]])
def test_processes_that_had_the_same_secret_have_the_same_keys_whenever_they_look(looks: list[float]) -> None:
    one, other = TicketKeys(b"secret", 0.0), TicketKeys(b"secret", 0.0)
    for at in looks:
        one.of(b"2", at)
    assert one.of(b"1", 3 * PERIOD) == other.of(b"1", 3 * PERIOD)


def test_scopes_have_keys_of_their_own() -> None:
    keys = TicketKeys(b"secret", 0.0)
    assert keys.of(b"1", 0.0) != keys.of(b"2", 0.0)


def test_what_is_too_old_is_not_kept() -> None:
    keys = TicketKeys(b"secret", 0.0)
    (first,) = keys.of(b"1", 0.0)
    assert keys.advance(PERIOD / 2) == PERIOD / 2
    assert keys.advance(2 * PERIOD + 60) == PERIOD - 60
    kept = repr(vars(keys))
    assert repr(b"secret") not in kept
    assert repr(first) not in kept
