"""From configuration to chains: which caches share what."""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.cache.memory import MemoryStore
from proxy.config.errors import ConfigErrors
from proxy.config.loader import load
from proxy.server.assemble import Lasting, assemble
from proxy.sluice.program import Program
from proxy.telemetry import Metrics
from tests.integration.site import BUILT, HOSTILE, engine, ok, site

GREETING = Path(__file__).parents[1] / "foreign" / "greeting.wasm"

CACHEABLE = ok(b"<head></head>", "content-type: text/html", "cache-control: max-age=60")

KINDS = (Program, MemoryStore)


def inject(snippet: str) -> dict[str, Any]:
    return {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": snippet}}


def test_caches_of_one_name_share_entries_only_where_the_same_stages_stand_below(tmp_path: Path) -> None:
    async def scenario() -> None:
        filters = {"a": inject("A"), "b": inject("B"), "same-as-a": inject("A")}
        routes: list[dict[str, Any]] = [
            {"match": {"methods": ["GET"], "host": host}, "chain": chain}
            for host, chain in {
                "a.example": [{"cache": {"name": "pages"}}, {"filter": "a"}, {"forward": "origin"}],
                "b.example": [{"cache": {"name": "pages"}}, {"filter": "b"}, {"forward": "origin"}],
            }.items()
        ]
        async with site(tmp_path, CACHEABLE, routes=routes, filters=filters) as proxy:
            for host, body in (("a.example", b"<head>A</head>"), ("b.example", b"<head>B</head>")):
                for _ in range(2):
                    answer = await proxy.get("/", host=host)
                    assert answer.body == body
                assert answer.header("cache-status") == "pages; hit; ttl=60"

    asyncio.run(scenario())


def test_a_reload_with_another_configuration_of_a_filter_does_not_answer_from_before(tmp_path: Path) -> None:
    async def scenario() -> None:
        chain: list[dict[str, Any]] = [{"cache": {"name": "pages"}}, {"filter": "inject"}]
        async with site(tmp_path, CACHEABLE, chain=chain, filters={"inject": inject("old")}) as proxy:
            assert (await proxy.get("/")).body == b"<head>old</head>"
            path = tmp_path / "sluice.yaml"
            before = path.read_text()
            path.write_text(before.replace("snippet: old", "snippet: new"))
            await proxy.reload()
            assert (await proxy.get("/")).body == b"<head>new</head>"
            # What is not about how responses are made leaves the caches as they are.
            path.write_text(
                before.replace("upstreams:\n  origin:\n", "upstreams:\n  origin:\n    max_connections: 3\n")
            )
            await proxy.reload()
            again = await proxy.get("/")
            assert (again.body, again.header("cache-status")) == (b"<head>old</head>", "pages; hit; ttl=60")

    asyncio.run(scenario())


def refused(directory: Path, **filters: Any) -> list[str]:
    """What is wrong with these filters, without the file's name."""
    path = directory / "sluice.yaml"
    config = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "filters": filters,
        "routes": [{"chain": [{"respond": {}}]}],
    }
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    with pytest.raises(ConfigErrors) as found:
        assemble(load(path), Lasting(engine(), Metrics(), time.time))
    return [str(error).removeprefix(str(path)) for error in found.value.errors]


def test_a_grant_that_is_needed_and_not_given(tmp_path: Path) -> None:
    (error,) = refused(tmp_path, clock={"component": str(HOSTILE / "clock.wasm")})
    assert error.startswith(":6:16: filters.clock.component: ")
    assert "imports wasi:clocks/" in error
    assert error.endswith("has to be granted: add `grants: [clocks]` to the filter")


def test_a_grant_that_there_is_not(tmp_path: Path) -> None:
    component = str(HOSTILE / "clock.wasm")
    errors = refused(
        tmp_path,
        near={"component": component, "grants": ["clock"]},
        far={"component": component, "grants": ["clocks", "moon"]},
    )
    assert errors == [
        ":8:7: filters.near.grants[0]: unknown grant 'clock'; did you mean clocks?",
        ":13:7: filters.far.grants[1]: unknown grant 'moon'; there are clocks, random",
    ]


def test_somebody_elses_component_with_the_imports_of_its_toolchain(tmp_path: Path) -> None:
    async def scenario() -> None:
        filters = {"greeting": {"component": str(GREETING), "grants": ["clocks", "random"]}}
        async with site(tmp_path, CACHEABLE, chain=[{"filter": "greeting"}], filters=filters) as proxy:
            answer = await proxy.get("/greeting", accept_language="fr")
            assert (answer.status, answer.body) == (200, b"Bonjour, stranger\n")

    asyncio.run(scenario())


def test_what_was_before_a_reload_is_let_go(tmp_path: Path) -> None:
    def alive() -> dict[str, int]:
        gc.collect()
        return {kind.__name__: sum(type(each) is kind for each in gc.get_objects()) for kind in KINDS}

    async def scenario() -> None:
        chain: list[dict[str, Any]] = [{"cache": {"name": "pages"}}, {"filter": "inject"}]
        pooled = {**inject("x"), "instance": "pooled"}
        async with site(tmp_path, CACHEABLE, chain=chain, filters={"inject": pooled}) as proxy:
            await proxy.get("/")
            path = tmp_path / "sluice.yaml"
            path.write_text(path.read_text().replace("name: pages", "name: other"))
            before = alive()
            await proxy.reload()
            now = alive()
            assert all(now[kind] <= before[kind] for kind in before)  # what earlier tests left may be gone meanwhile
            assert (await proxy.get("/")).body == b"<head>x</head>"

    asyncio.run(scenario())
