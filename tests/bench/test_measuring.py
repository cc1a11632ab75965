"""What the benchmark makes of the tools' output. The benchmark itself is no test: `python -m tests.bench`."""

from __future__ import annotations

import os

import pytest

from tests.bench import h2load, layers, profile, report, wrk
from tests.bench.machine import cpu_seconds
from tests.bench.sample import Sample
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

H2LOAD = """finished in 1.00s, 2000.00 req/s, 1.41MB/s
requests: 2000 total, 2128 started, 2000 done, 1999 succeeded, 1 failed, 0 errored, 0 timeout
"""


def test_a_run_of_wrk() -> None:
    assert wrk.parse(WRK, (0.5, 0.2)) == Sample(67204.31, 0.402, 0.602, 1.25, cpu=25.0, kernel=10.0, errors=0)


def test_a_run_with_errors() -> None:
    assert wrk.parse(WRK + ERRORS, (0.5, 0.2)).errors == 15


@pytest.mark.parametrize(("printed", "milliseconds"), [("  99%  402.00us\n", 0.402), ("  99%  1.20s\n", 1200.0)])
def test_units_of_latency(printed: str, milliseconds: float) -> None:
    output = WRK.replace("     99%    1.25ms\n", printed)

    assert wrk.parse(output, (0.0, 0.0)).p99 == pytest.approx(milliseconds)


def test_wrk_that_could_not_run() -> None:
    with pytest.raises(ValueError, match="wrk said nothing like"):
        wrk.parse("unable to connect\n", (0.0, 0.0))


def test_wrk_without_an_answer() -> None:
    with pytest.raises(ValueError, match="wrk had no answer"):
        wrk.parse(WRK.replace("20000 requests in", "0 requests in"), (0.0, 0.0))


def test_a_run_of_h2load() -> None:
    log = "".join(f"16000000\t200\t{1000 * n}\n" for n in range(100, 0, -1))

    sample = h2load.parse(H2LOAD, log, (0.003998, 0.001999))

    assert sample == Sample(2000.0, 51.0, 91.0, 100.0, cpu=2.0, kernel=1.0, errors=1)


def test_h2load_that_could_not_run() -> None:
    with pytest.raises(ValueError, match="h2load said nothing of rates"):
        h2load.parse("finished in 1.00s, 0.00 req/s\n", "", (0.0, 0.0))


def samples(rates: list[float], cpu: float) -> list[Sample]:
    return [Sample(rate, 0.5, 0.8, 1.0, cpu, 0.0, 0) for rate in rates]


def test_budgets_compare_within_rounds() -> None:
    """The machine halved its speed after the first round; the ratio stays."""
    measured = {
        Target(Case.HIT, "sluice", 1, 1): samples([90.0, 45.0, 45.0], 20.0),
        Target(Case.HIT, "nginx", 2, 2): samples([100.0, 50.0, 50.0], 25.0),
    }

    (hit,) = list(report.budgets(report.ratios(measured)))[1:]

    assert hit.split() == ["hit", "/", "nginx", "hit", "1.00", "0.90", "1.25", "met", "by", "CPU", "only"]


@pytest.mark.parametrize(("rate", "cpu", "verdict"), [(1.0, 1.2, "met"), (0.9, 0.99, "NOT met")])
def test_a_budget_is_met_when_both_ratios_say_so(rate: float, cpu: float, verdict: str) -> None:
    assert report.Ratio("hit / nginx hit", 1.0, rate, cpu).verdict == verdict


def test_other_work_can_only_add_to_processor_time() -> None:
    measured = {
        Target(Case.HIT, "sluice", 1, 1): [*samples([50.0], 20.0), *samples([40.0], 90.0), *samples([40.0], 30.0)],
        Target(Case.HIT, "nginx", 2, 2): [*samples([50.0], 40.0), *samples([80.0], 10.0), *samples([80.0], 12.0)],
    }

    assert list(report.ratios(measured)) == [report.Ratio("hit / nginx hit", 1.0, rate=0.5, cpu=0.5)]
    assert [row.cpu for row in report.rows(measured)] == [10.0, 20.0]


def test_the_table_has_medians_in_the_order_of_the_cases() -> None:
    measured = {
        Target(Case.PASS, "nginx", 2, 2): samples([1.0, 5.0, 2000.0], 12.0),
        Target(Case.HIT, "sluice", 1, 1): [Sample(9.0, 1.0, 1.5, 2.0, 3.0, 1.0, 4)],
    }

    assert [line.split() for line in report.table(report.rows(measured))][1:] == [
        ["hit", "sluice", "9", "1.00", "1.50", "2.00", "3.0", "4", "errors"],
        ["pass", "nginx", "5", "0.50", "0.80", "1.00", "12.0"],
    ]


STACKS = [
    "thread (1): MainThread;run (a.py:1);parse (proxy/codec/head.py:7) 6",
    "thread (1): MainThread;run (a.py:2);parse (proxy/codec/head.py:9);parse (proxy/codec/head.py:9) 2",
    "thread (1): MainThread;run (a.py:3) 2",
    "thread (2): ticker;wait (c.py:1) 90",
]


def test_functions_by_their_own_time() -> None:
    assert [line.split() for line in profile.functions(profile.stacks(STACKS))][1:] == [
        ["80.0%", "80.0%", "parse", "(proxy/codec/head.py)"],
        ["20.0%", "100.0%", "run", "(a.py)"],
    ]


@pytest.mark.parametrize(
    ("frames", "layer"),
    [
        (["uv_run (core.c)", "UVStream__try_write (loop.c)", "write (libc.so.6)"], "kernel: write"),
        (
            ["parse (proxy/codec/head.py)", "sre_ucs1_match (libpython3.11.so.1.0)", "malloc (libc.so.6)"],
            "codec (ours)",
        ),
        (["Filter.__call__ (proxy/stages/filter.py)", "call (<canonical ABI>)", "0x7fd5 (?)"], layers.WASM),
        (["main (a.c)"], "other"),
    ],
)
def test_time_belongs_to_the_innermost_layer(frames: list[str], layer: str) -> None:
    assert layers.layer(reversed(frames)) == layer


def test_costs_are_those_of_the_processor_and_not_of_waiting() -> None:
    """Half of the samples are of a wait that was over."""
    stacks = [
        (["loop (loop.c)", "write (libc.so.6)"], 20),
        (["loop (loop.c)", "epoll_pwait (libc.so.6)"], 100),
        (["loop (loop.c)", "parse (proxy/codec/head.py)"], 60),
        (["loop (loop.c)"], 20),
    ]

    assert layers.costs(stacks, user=40.0, system=15.0) == {
        "codec (ours)": 30.0,
        "event loop (uvloop, libuv)": 10.0,
        "kernel: write": 10.0,
        layers.WAIT: 5.0,
    }


def test_processor_time_grows() -> None:
    before = cpu_seconds(os.getpid())
    sum(range(3_000_000))

    assert cpu_seconds(os.getpid())[0] > before[0]
