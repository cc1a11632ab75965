"""Server-Timing for trusted clients, and traces at an OpenTelemetry collector, over sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import pytest
import yaml
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from proxy.cli import main
from tests.integration.site import BUILT, ok, site
from tests.patience import PATIENCE
from tests.ports import free_port

PAGE = ok(b"<head></head>", "content-type: text/html", "cache-control: max-age=60")
BANNER = {"banner": {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<hr>"}}}
CHAIN: list[dict[str, Any]] = [{"cache": {"name": "pages"}}, {"filter": "banner"}]


def test_a_trusted_client_that_asks_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        async with site(tmp_path, PAGE, chain=CHAIN, filters=BANNER, server_timing=["127.0.0.1"]) as proxy:
            told = (await proxy.get("/a", x_server_timing="1")).header("server-timing") or ""
            assert re.sub(r"\d+\.\d+", "N", told) == (
                'cache;desc="pages";dur=N, filter;desc="banner";dur=N, forward;desc="origin";dur=N, total;dur=N'
            )
            *stages, total = (float(duration) for duration in re.findall(r"dur=([\d.]+)", told))
            assert sum(stages) <= total + 0.01
            assert proxy.asked[0].header("x-server-timing") is None
            hit = await proxy.get("/a", x_server_timing="1")
            assert (hit.header("server-timing") or "").count(";") == 3, "a cache, its name and the total"
            assert (await proxy.get("/a")).header("server-timing") is None

    asyncio.run(scene())


@pytest.mark.parametrize("clients", [["192.0.2.0/24", "::1"], []])
def test_nobody_else_is(tmp_path: Path, clients: list[str]) -> None:
    async def scene() -> None:
        async with site(tmp_path, PAGE, server_timing=clients) as proxy:
            assert (await proxy.get("/a", x_server_timing="1")).header("server-timing") is None

    asyncio.run(scene())


class Collector(ThreadingHTTPServer):
    """Takes what the OTLP exporter sends over HTTP."""

    spans: list[Any]
    resources: list[Any]


class _Post(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        sent = ExportTraceServiceRequest()
        sent.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        for of_resource in sent.resource_spans:
            self.server.resources.append(of_resource.resource)
            self.server.spans += [span for scope in of_resource.scope_spans for span in scope.spans]
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), _Post) as server:
        server.spans, server.resources = [], []
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class _Echo(BaseHTTPRequestHandler):
    """An origin that answers with the fields it got."""

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def test_spans_of_an_exchange_and_its_stages_at_a_collector(tmp_path: Path, collector: Collector) -> None:
    origin = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    Thread(target=origin.serve_forever, args=(0.05,), daemon=True).start()
    port = free_port()
    config = tmp_path / "sluice.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "version": 1,
                "listeners": [{"address": f"127.0.0.1:{port}"}],
                "access_log": "off",
                "upstreams": {"origin": {"endpoints": [f"http://127.0.0.1:{origin.server_port}"]}},
                "filters": BANNER,
                "routes": [{"match": {"path": "/a"}, "chain": [*CHAIN, {"forward": "origin"}]}],
            }
        )
    )
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
    process = subprocess.Popen(
        [Path(sys.executable).with_name("sluice"), "run", str(config)],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("listening")
        trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
        with urlopen(
            UrlRequest(f"http://127.0.0.1:{port}/a?b=c", headers={"traceparent": f"00-{trace}-{parent}-01"})
        ) as response:
            received = json.loads(response.read())
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE)
        origin.shutdown()
        origin.server_close()
    exchange, cache, banner, forward = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    assert [span.name for span in (exchange, cache, banner, forward)] == [
        "GET 0:/a", "cache pages", "filter banner", "forward origin",
    ]  # fmt: skip
    assert {span.trace_id.hex() for span in collector.spans} == {trace}
    assert exchange.parent_span_id.hex() == parent
    for outer, inner in ((exchange, cache), (cache, banner), (banner, forward)):
        assert inner.parent_span_id == outer.span_id
    assert received["traceparent"] == f"00-{trace}-{forward.span_id.hex()}-01"
    said = {each.key: each.value for each in exchange.attributes}
    assert said["http.response.status_code"].int_value == 200
    assert said["url.query"].string_value == "b=c"
    assert said["sluice.request_id"].string_value == received["x-request-id"]
    assert {each.key: each.value.string_value for each in collector.resources[0].attributes}["service.name"] == (
        "sluicegate"
    )


def test_an_exporter_that_there_is_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "sluice.yaml"
    config.write_text("version: 1\nlisteners: [{address: 127.0.0.1:0}]\nroutes: [{chain: [respond: {}]}]\n")
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    result = CliRunner().invoke(main, ["run", str(config)])
    assert (result.exit_code, result.stderr) == (
        2,
        "OTEL_TRACES_EXPORTER=zipkin is not supported; there are otlp, console, none\n",
    )


def test_without_traces_the_library_is_not_loaded() -> None:
    program = (
        "import sys; from proxy.server import serve;"
        "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('opentelemetry', 'mitmproxy')))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert output.stdout == "[]\n"
