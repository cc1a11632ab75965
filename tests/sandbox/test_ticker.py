"""Which periods of the clock count: a guest is not ended for what the machine gives to others."""

from __future__ import annotations

from proxy.sandbox.ticker import STARVED, Ticker


def counted(*spent: float) -> list[bool]:
    """Of periods at whose ends the process had spent so much of the processor's time, in periods, since the first."""
    ticker = Ticker(lambda: None)
    assert ticker.counts(1000.0)
    return [ticker.counts(1000.0 + each * ticker._period) for each in spent]


def test_each_does_while_the_process_has_the_processor() -> None:
    assert counted(1.0, 1.9, 2.8, 3.4) == [True] * 4


def test_those_of_others_are_counted_together() -> None:
    assert counted(0.2, 0.4, 0.6, 0.8, 1.0, 1.2) == [False, False, True, False, False, True]


def test_no_more_than_some_in_a_row_are_left_out() -> None:
    """However little it has, and while it has nothing to do."""
    assert counted(*[0.0] * (2 * STARVED + 2)) == [*[False] * STARVED, True] * 2
