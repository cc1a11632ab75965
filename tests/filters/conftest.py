from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from proxy.sandbox import Engine
from tests.filters.placed import Placed

BUILT = Path(__file__).parents[2] / "filters/built"

Place = Callable[..., Placed]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


@pytest.fixture
def place(engine: Engine) -> Place:
    """A shipped filter, by its name and configuration."""
    return lambda name, config, **options: Placed(
        engine, name, (BUILT / f"{name}.wasm").read_bytes(), config, **options
    )


@pytest.fixture
def guest_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What guests logged, also when an earlier test has told the proxy's log where to go."""
    logger = logging.getLogger("proxy.guest")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
