"""The engine of an interpreted language is compiled once, however many filters have it in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.sandbox import Engine, Limits
from tests.filters.placed import Placed

BUILT = Path(__file__).parents[2] / "filters/locale/built"
LIMITS = Limits(time=20.0)


def placed(engine: Engine, component: bytes) -> Placed:
    return Placed(engine, "locale", component, {"languages": ["en"]}, limits=LIMITS)


@pytest.mark.parametrize("language", ["javascript", "python"])
def test_another_filter_of_the_language(language: str, engine: Engine) -> None:
    component = (BUILT / f"{language}.wasm").read_bytes()
    one = placed(engine, component)
    assert one.once("/?lang=nl").body == b"There is no nl here, only en.\n"
    compiled = engine.compiles
    other = placed(engine, component.replace(b"There is no ", b"There was no"))
    assert other.once("/?lang=nl").body == b"There was nonl here, only en.\n"
    assert engine.compiles == compiled + 1  # the snapshot of its own modules
    again = placed(engine, component)
    assert again.once("/?lang=nl").body == one.once("/?lang=nl").body
    assert engine.compiles == compiled + 1
