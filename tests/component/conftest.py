from collections.abc import Iterator

import pytest

from proxy.sandbox import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Never closed: instances that tests leave behind may outlive it."""
    engine = Engine()
    yield engine
    engine.ticker.close()
