from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.sandbox import Engine
from tests.filters.conftest import engine, guest_log
from tests.filters.placed import Placed

__all__ = ["engine", "guest_log"]

BUILT = Path(__file__).parent / "built"

Hostile = Callable[..., Placed]


@pytest.fixture
def hostile(engine: Engine) -> Hostile:
    """The guest that does what its configuration says."""
    component = (BUILT / "hostile.wasm").read_bytes()
    return lambda config, **options: Placed(engine, "hostile", component, config, **options)
