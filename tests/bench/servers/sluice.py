"""Ours: a process for each case, so that none pays for the routes of another."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.machine import Machine
from tests.bench.target import CACHED, FILTERS_OF, SECURE, Case, Missing, Site, Target, filter_config
from tests.ports import free_port

HEADERS = Path(__file__).parents[3] / "filters" / "built" / "headers.wasm"


def start(machine: Machine, site: Site) -> Iterator[Target]:
    program = Path(sys.executable).parent / "sluice"
    for case in Case:
        if case in FILTERS_OF and not HEADERS.exists():
            raise Missing(f"{HEADERS.name}: not built, see filters/build")
        port = free_port()
        config = machine.scratch / f"{case.value}.yaml"
        config.write_text(json.dumps(_config(case, port, site, machine.workers), indent=2))  # JSON is YAML
        command = machine.measured([str(program), "run", str(config)])
        pid = machine.serve(f"sluice-{case.value}", command, port, secure=case in SECURE)
        yield Target(case, "sluice", port, pid)


def _config(case: Case, port: int, site: Site, workers: int) -> dict[str, object]:
    numbers = range(1, FILTERS_OF.get(case, 0) + 1)
    stages = [{"filter": f"headers-{n}"} for n in numbers]
    cache = [{"cache": {"name": "pages"}}] if case in CACHED else []
    tls = {"tls": {"certificates": [{"certificate": str(site.chain), "key": str(site.key)}]}}
    return {
        "version": 1,
        "workers": workers,
        "listeners": [{"address": f"127.0.0.1:{port}", **(tls if case in SECURE else {})}],
        "access_log": "off",
        "upstreams": {"origin": {"endpoints": [f"http://127.0.0.1:{site.origin}"]}},
        "filters": {f"headers-{n}": _filter(case, n) for n in numbers},
        "routes": [{"chain": [*stages, *cache, {"forward": "origin"}]}],
    }


def _filter(case: Case, n: int) -> dict[str, object]:
    return {
        "component": str(HEADERS),
        "config": filter_config(n),
        "instance": "pooled" if case is Case.FILTER_POOLED else "fresh",
        "memo": case in (Case.FILTER, Case.FILTER_HIT),
    }
