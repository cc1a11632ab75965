from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.sandbox import Engine
from tests.filters.placed import Placed
from tests.integration import site

BUILT = Path(__file__).parents[2] / "filters/built"

Place = Callable[[str, Mapping[str, Any]], Placed]


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The one of all tests: this fixture is another one in each module that imports it."""
    return site.engine()


@pytest.fixture(params=["fresh", "pooled"])
def place(engine: Engine, request: pytest.FixtureRequest) -> Place:
    """A shipped filter, by its name and configuration: in new instances with a memo, or in ones that are used again."""
    pooled = request.param == "pooled"
    return lambda name, config: Placed(engine, name, (BUILT / f"{name}.wasm").read_bytes(), config, pooled=pooled)


@pytest.fixture
def guest_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What guests logged, also when an earlier test has told the proxy's log where to go."""
    logger = logging.getLogger("proxy.guest")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
