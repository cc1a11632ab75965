"""docker-compose.yml, and the dashboard for Grafana that comes with it."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.config.documents import ROOT
from tests.integration.site import BUILT, ok, site
from tests.server.test_operations import admin

DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/sluicegate.json").read_text())
QUERIES: list[str] = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]

_WORDS_OF_PROMQL = {"by", "sum", "rate", "histogram_quantile", "le", "__rate_interval"}


def compose() -> list[str] | None:
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and subprocess.run([*command, "version"], capture_output=True).returncode == 0:
            return command
    return None


def test_compose_accepts_it() -> None:
    command = compose()
    if command is None:
        pytest.skip("there is no docker compose (apt-get install docker-compose)")
    result = subprocess.run([*command, "config"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert yaml.safe_load(result.stdout)["services"].keys() == {"origin", "proxy", "prometheus", "grafana"}


def test_every_file_that_it_mounts_is_there() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())]
    assert "./deploy/prometheus.yml" in mounted
    assert [path for path in mounted if not (ROOT / path).exists()] == []


def series(directory: Path) -> dict[str, set[str]]:
    """What a real proxy's /metrics has after all kinds of exchanges: the labels of each name."""
    filters = {"banner": {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<hr>"}}}
    found: dict[str, set[str]] = {}

    async def scene() -> None:
        page = ok(b"<head></head>", "content-type: text/html", "cache-control: max-age=60")
        chain: list[dict[str, Any]] = [{"cache": {"name": "pages"}}, {"filter": "banner"}]
        async with site(directory, page, chain=chain, filters=filters, admin={"address": "127.0.0.1:0"}) as proxy:
            for path in ("/a", "/a", "/b"):
                await proxy.get(path)
            await proxy.raw(b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n")
            text = (await admin(proxy, "GET", "/metrics")).body.decode()
            for family in text_string_to_metric_families(text):
                found.setdefault(family.name, set())
                if family.type == "counter":
                    found.setdefault(f"{family.name}_total", set())
                for sample in family.samples:
                    found.setdefault(sample.name, set()).update(sample.labels)

    asyncio.run(scene())
    return found


def names(query: str) -> Iterator[str]:
    without_strings = re.sub(r'"[^"]*"', "", query)
    for match in re.finditer(r"\b[a-z_]{4,}\b", without_strings):
        if "_" in match[0] and match[0] not in _WORDS_OF_PROMQL:
            yield match[0]


def labels(query: str) -> set[str]:
    grouped = {label.strip() for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(",")}
    return grouped | set(re.findall(r"[{,]\s*([a-z]+)=", query))


def test_every_metric_that_the_dashboard_asks_for_exists(tmp_path: Path) -> None:
    found = series(tmp_path)
    assert len(QUERIES) > 20
    for query in QUERIES:
        asked = list(names(query))
        assert asked, query
        for name in asked:
            assert name in found, f"{name} of {query}"
            if found[name]:  # some have no series, as nothing of the kind has happened
                assert labels(query) <= found[name], query
