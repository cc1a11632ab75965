"""What a run may ask for: all of it is kept, by memo and caches."""

from __future__ import annotations

import pytest

from proxy.exchange import Exchange, Request, Response
from proxy.exchange.observation import Reads
from proxy.http.fields import Fields
from proxy.sluice.checks import MOST_ASKED, Refused
from proxy.sluice.run import Run
from proxy.sluice.settings import Settings
from proxy.telemetry import GuestLog


def run(reads: Reads) -> Run:
    request = Request("GET", "http", "a", "/", None, Fields(), Exchange())
    request.observers = ((reads, frozenset()),)
    return Run(request, Settings({}), GuestLog("f"))


def test_names_without_end() -> None:
    reads: Reads = {}
    made = run(reads)

    def ask() -> None:
        for number in range(100):
            made.begin()
            made.read(("header", f"{number}" + "x" * 100_000))

    with pytest.raises(Refused, match="bytes of names were asked for"):
        ask()
    assert sum(len(name) for _, name in reads) <= MOST_ASKED


def test_the_same_name_again_and_again() -> None:
    made = run({})
    made.give_response(Response(200, Fields()))
    for _ in range(100):
        made.begin()
        made.read(("header", "x" * 100_000))
        made.read_response(("response.header", "x" * 100_000))
