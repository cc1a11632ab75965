"""A filter as another toolchain makes it: Rust's standard library on wasi-libc, with the adapter of preview 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.component import LinkError
from proxy.sandbox import Engine
from tests.filters.placed import Placed
from tests.foreign.wasi import Wasi

GREETING = (Path(__file__).parent / "greeting.wasm").read_bytes()


def place(engine: Engine, wasi: Wasi) -> Placed:
    return Placed(engine, "greeting", GREETING, {}, more_imports=wasi.imports())


def test_it_greets(engine: Engine) -> None:
    greeting = place(engine, Wasi({"NAME": "Ada"}))
    outcome = greeting("/greeting", [("accept-language", "fr")])
    assert (outcome.status, outcome.body) == (200, b"Bonjour, Ada\n")
    assert outcome.reads == [("path", ""), ("header", "accept-language")]


def test_what_it_prints(engine: Engine) -> None:
    wasi = Wasi({})
    place(engine, wasi).once("/greeting", [("accept-language", "nl")])
    assert wasi.printed == b"no greeting in nl\n"


def test_only_the_runs_that_used_wasi_are_not_remembered(engine: Engine) -> None:
    """Purity is a run's: what the component imports and did not call does not count."""
    greeting = place(engine, Wasi({}))
    for _ in range(3):
        greeting.once("/greeting", [("accept-language", "de")])
    assert greeting.tally.memo_hits == 0
    for _ in range(3):
        greeting.once("/elsewhere")
    assert greeting.tally.memo_hits == 2


def test_without_wasi_it_is_refused(engine: Engine) -> None:
    with pytest.raises(LinkError, match=r"wasi:cli/environment@0\.2\.\d+"):
        Placed(engine, "greeting", GREETING, {})
