"""What the benchmark makes of the tools' output. The benchmark itself is no test: `python -m tests.bench`."""

from __future__ import annotations

import os

import pytest

from tests.bench import load, profile, report
from tests.bench.load import Sample
from tests.bench.machine import cpu_seconds
from tests.bench.target import Case, Target

WRK = """Running 3s test @ http://127.0.0.1:8080/item
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   480.39us    1.02ms  21.01ms   96.66%
    Req/Sec    67.56k     4.75k   73.91k    86.67%
  Latency Distribution
     50%  402.00us
     75%  468.00us
     90%  602.00us
     99%    1.25ms
  20000 requests in 3.00s, 158.55MB read
Requests/sec:  67204.31
Transfer/sec:     52.83MB
"""

ERRORS = """  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
"""


def test_a_run_of_wrk() -> None:
    assert load.parse(WRK, 0.5) == Sample(rate=67204.31, p99=1.25, cpu=25.0, errors=0)


def test_a_run_with_errors() -> None:
    assert load.parse(WRK + ERRORS, 0.5).errors == 15


@pytest.mark.parametrize(("printed", "milliseconds"), [("  99%  402.00us\n", 0.402), ("  99%  1.20s\n", 1200.0)])
def test_units_of_latency(printed: str, milliseconds: float) -> None:
    output = WRK.replace("     99%    1.25ms\n", printed)

    assert load.parse(output, 0.0).p99 == pytest.approx(milliseconds)


def test_wrk_that_could_not_run() -> None:
    with pytest.raises(ValueError, match="wrk said nothing like"):
        load.parse("unable to connect\n", 0.0)


def samples(rates: list[float], cpu: float) -> list[Sample]:
    return [Sample(rate, 1.0, cpu, 0) for rate in rates]


def test_budgets_compare_within_rounds() -> None:
    """The machine halved its speed after the first round; the ratio stays."""
    measured = {
        Target(Case.HIT, "sluice", 1, 1): samples([90.0, 45.0, 45.0], 20.0),
        Target(Case.HIT, "nginx", 2, 2): samples([100.0, 50.0, 50.0], 15.0),
    }

    hit, *others = list(report.budgets(measured))[1:]

    assert hit.split() == ["hit", "/", "nginx", "hit", "1.00", "0.90", "0.75", "NOT", "met"]
    assert all("not measured" in line for line in others)


def test_the_table_has_medians_in_the_order_of_the_cases() -> None:
    measured = {
        Target(Case.PASS, "nginx", 2, 2): samples([1.0, 5.0, 2000.0], 12.0),
        Target(Case.HIT, "sluice", 1, 1): [Sample(9.0, 2.0, 3.0, 4)],
    }

    assert [line.split() for line in report.table(measured)][1:] == [
        ["hit", "sluice", "9", "2.00", "3.0", "4", "errors"],
        ["pass", "nginx", "5", "1.00", "12.0"],
    ]


def test_functions_by_their_own_time() -> None:
    stacks = [
        "thread (1): MainThread;run (a.py:1);parse (b.py:7) 6",
        "thread (1): MainThread;run (a.py:2);parse (b.py:9);parse (b.py:9) 2",
        "thread (1): MainThread;run (a.py:3) 2",
        "thread (2): ticker;wait (c.py:1) 90",
    ]

    assert [line.split() for line in profile.functions(stacks)] == [
        ["80.0%", "80.0%", "parse", "(b.py)"],
        ["20.0%", "100.0%", "run", "(a.py)"],
    ]


def test_processor_time_grows() -> None:
    before = cpu_seconds(os.getpid())
    sum(range(3_000_000))

    assert cpu_seconds(os.getpid()) > before
