"""A cache on disk behind a whole proxy: what it stored answers after a restart; a directory it cannot have is said."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.server.assemble import Lasting, assemble
from proxy.telemetry import Metrics
from tests.integration.site import engine, ok, site

SMALL = b"small"
LARGE = bytes(range(256)) * 4096


def _chain(disk: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"cache": {"name": "pages", "max_object_size": "4MiB", "disk": disk}}]


@pytest.mark.parametrize("body", [SMALL, LARGE])
def test_what_is_stored_answers_after_a_restart(tmp_path: Path, body: bytes) -> None:
    async def scenario(outcome: str) -> None:
        answer = ok(body, "cache-control: max-age=600")
        async with site(tmp_path, answer, chain=_chain({"path": "cached", "max_size": "10MiB"})) as proxy:
            for _ in range(3):
                got = await proxy.get("/")
                assert got.body == body
            assert (got.header("cache-status") or "").startswith("pages; hit")
            assert len(proxy.asked) == (0 if outcome == "hit" else 1)

    for outcome in ("miss", "hit"):
        asyncio.run(scenario(outcome))
    assert (tmp_path / "cached" / "pages" / "entries.sqlite").exists()


def test_a_directory_that_cannot_be_had(tmp_path: Path) -> None:
    path = tmp_path / "sluice.yaml"
    chain = _chain({"path": "sluice.yaml/cached"})
    config = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "upstreams": {"origin": {"endpoints": ["http://127.0.0.1:9"]}},
        "routes": [{"chain": [*chain, {"forward": "origin"}]}],
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.raises(ConfigErrors) as found:
        assemble(load(path), Lasting(engine(), Metrics(), time.time, disks=True))
    (error,) = found.value.errors
    assert str(error).startswith(f"{path}:14:")
    assert "routes[0].chain[0].cache.disk.path: " in str(error)
    assemble(load(path), Lasting(engine(), Metrics(), time.time)).close()  # sluice check touches no disk
