"""From configuration to chains: which caches share what."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.integration.site import BUILT, ok, site

CACHEABLE = ok(b"<head></head>", "content-type: text/html", "cache-control: max-age=60")


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
            proxy.server.reload(path)
            assert (await proxy.get("/")).body == b"<head>new</head>"
            # What is not about how responses are made leaves the caches as they are.
            path.write_text(
                before.replace("upstreams:\n  origin:\n", "upstreams:\n  origin:\n    max_connections: 3\n")
            )
            proxy.server.reload(path)
            again = await proxy.get("/")
            assert (again.body, again.header("cache-status")) == (b"<head>old</head>", "pages; hit; ttl=60")

    asyncio.run(scenario())
