from collections.abc import Iterator

import pytest

from proxy.sandbox import Engine


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine
