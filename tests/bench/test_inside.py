"""The proxy that growth is measured with is a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.sandbox import Engine
from tests.bench.inside import Inside, best, get

CACHED = {
    "upstreams": {"origin": {"endpoints": ["http://127.0.0.1:9"]}},
    "routes": [{"match": {"host": "shop.example"}, "chain": [{"cache": {"name": "pages"}}, {"forward": "origin"}]}],
}


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def test_a_miss_and_a_hit(tmp_path: Path, engine: Engine) -> None:
    proxy = Inside(tmp_path, engine, CACHED, b"a page")

    assert b"pages; fwd=uri-miss; stored" in proxy.answer(get("/"))
    assert b"pages; hit" in proxy.answer(get("/", fields="accept: */*\r\n"))


def test_the_best_of_rounds() -> None:
    costs = best([lambda: sum(range(100_000)) and 1, lambda: sum(range(100_000)) and 100], rounds=3)

    assert costs[0] > costs[1] > 0
