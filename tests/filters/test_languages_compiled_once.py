"""The engine of an interpreted language is compiled once, however many filters have it in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.sandbox import Engine, Limits
from tests.filters.placed import Placed

BUILT = Path(__file__).parents[2] / "filters/locale/built"
LIMITS = Limits(time=20.0)


def answer(engine: Engine, component: bytes) -> bytes:
    locale = Placed(engine, "locale", component, {"languages": ["en"]}, limits=LIMITS)
    return locale.once("/?lang=nl").body


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_another_filter_of_the_language(language: str, engine: Engine) -> None:
    one = (BUILT / f"{language}.wasm").read_bytes()
    other = one.replace(b"There is no ", b"There was no")
    assert answer(engine, one) == b"There is no nl here, only en.\n"
    compiled = engine.compiles
    assert answer(engine, other) == b"There was nonl here, only en.\n"
    assert engine.compiles == compiled + 1  # the snapshot of its own modules
    assert answer(engine, one) == b"There is no nl here, only en.\n"
    assert engine.compiles == compiled + 1
