"""The chain behind mitmproxy, seen through mitmproxy's own web interface."""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import h2.config
import h2.connection
import h2.events
import pytest

from tests.inspector.behind import Inspected, ask, inspected, is_taken
from tests.integration.site import BUILT, HOSTILE, ok
from tests.patience import PATIENCE
from tests.ports import free_port

pytestmark = [
    # mitmweb leaves its listener open when it ends, as its process ends too.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """What mitmweb left open is found in the test that opened it."""
    yield
    gc.collect()


HTML = ok(b"<html><head></head>\n<p>hello</html>", "content-type: text/html", "cache-control: max-age=60")
CACHE: dict[str, Any] = {"cache": {"name": "pages"}}
FILTERS = {
    "ab": {
        "component": str(BUILT / "ab-split.wasm"),
        "config": {"experiment": "design", "header": "x-design", "weights": {"a": 1, "b": 1}},
    },
    "banner": {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<hr>"}},
}
CHAIN = [CACHE, {"filter": "ab"}, {"filter": "banner"}]


def test_each_exchange_is_a_flow_that_tells_its_story(tmp_path: Path) -> None:
    async def scene() -> None:
        async with inspected(tmp_path, HTML, CHAIN, FILTERS) as proxy:
            answer = await proxy.get("/a", cookie="design=a")
            assert (answer.status, answer.body) == (200, b"<html><head><hr></head>\n<p>hello</html>")
            assert answer.header("cache-status") == "pages; fwd=uri-miss; stored; ttl=60"
            assert (await proxy.get("/a", cookie="design=a; c=d")).header("cache-status") == "pages; hit; ttl=60"
            miss, hit = await proxy.flows()
            assert miss["comment"] == "0:* | pages; fwd=uri-miss; stored; ttl=60"
            assert hit["comment"] == "0:* | pages; hit; ttl=60"
            told = await proxy.story(miss["id"])
            assert "  outcome: pages; fwd=uri-miss; stored; ttl=60" in told
            assert '  selected by: cookie(design) = "a"' in told
            assert "    wrote request: set-header x-design a" in told
            assert "    +x-design: a" in told
            at = told.index("filter banner")
            assert [line for line in told if "<head>" in line] == [
                "    -<html><head></head>",
                "    +<html><head><hr></head>",
            ]
            assert told.index("filter ab") < at < told.index("forward origin")
            assert not any(line.startswith("filter") for line in await proxy.story(hit["id"]))

    asyncio.run(scene())


def test_an_edited_request_goes_through_the_chain_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with inspected(tmp_path, HTML, CHAIN, FILTERS) as proxy:
            await proxy.get("/a", cookie="design=a")
            (flow,) = await proxy.flows()
            edited = {"request": {"path": "/b", "headers": [["host", "h"], ["cookie", "design=b"]]}}
            await proxy.do("PUT", f"/flows/{flow['id']}", edited)
            await proxy.do("POST", f"/flows/{flow['id']}/replay")
            told = await until(proxy, flow["id"], "GET http://h/b")
            assert "    wrote request: set-header x-design b" in told
            assert [(asked.target, asked.header("x-design")) for asked in proxy.asked] == [("/a", "a"), ("/b", "b")]

    asyncio.run(scene())


async def until(proxy: Inspected, flow: str, first: str) -> list[str]:
    async with asyncio.timeout(PATIENCE):
        while (told := await proxy.story(flow))[0] != first:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return told


def test_a_changed_configuration_is_live_for_the_next_request(tmp_path: Path) -> None:
    async def scene() -> None:
        async with inspected(tmp_path, HTML, [{"filter": "banner"}], FILTERS) as proxy:
            assert b"<hr>" in (await proxy.get("/")).body
            text = proxy.config.read_text()
            proxy.config.write_text(text.replace("<hr>", "<br/>"))
            assert b"<br/>" in (await proxy.get("/")).body
            proxy.config.write_text("version: 2")
            assert b"<br/>" in (await proxy.get("/")).body, "a wrong one changes nothing"
            flow = (await proxy.flows())[-1]
            assert any("not in effect" in line and "version" in line for line in await proxy.story(flow["id"]))
            proxy.config.write_text(text)
            assert b"<hr>" in (await proxy.get("/")).body

    asyncio.run(scene())


def test_a_changed_component_is_live_for_the_next_request(tmp_path: Path) -> None:
    component = tmp_path / "filter.wasm"
    component.write_bytes((BUILT / "html-inject.wasm").read_bytes())
    filters = {"banner": {"component": "filter.wasm", "config": {"snippet": "<hr>"}}}

    async def scene() -> None:
        async with inspected(tmp_path, HTML, [{"filter": "banner"}], filters) as proxy:
            assert b"<hr>" in (await proxy.get("/")).body
            component.write_bytes((HOSTILE / "hostile.wasm").read_bytes())
            assert b"<hr>" not in (await proxy.get("/")).body

    asyncio.run(scene())


def test_memory_is_bounded(tmp_path: Path) -> None:
    async def scene() -> None:
        async with inspected(tmp_path, ok(b"x" * 1000), [], keep=3, keep_bytes=2500) as proxy:
            for number in range(5):
                await proxy.get(f"/{number}")
            assert [flow["request"]["path"] for flow in await proxy.flows()] == ["/3", "/4"]

    asyncio.run(scene())


def test_http_2_over_tls(tmp_path: Path) -> None:
    async def scene() -> None:
        async with inspected(tmp_path, HTML, CHAIN, FILTERS) as proxy:
            status, body = await h2_get(proxy.port, "/two", ("cookie", "design=b"))
            assert (status, body) == ("200", b"<html><head><hr></head>\n<p>hello</html>")
            (flow,) = await proxy.flows()
            assert flow["request"]["http_version"] == "HTTP/2.0"
            assert (await proxy.story(flow["id"]))[0] == "GET https://h.example/two"

    asyncio.run(scene())


async def h2_get(port: int, path: str, *headers: tuple[str, str]) -> tuple[str, bytes]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="h.example")
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    connection.initiate_connection()
    head = [(":method", "GET"), (":scheme", "https"), (":authority", "h.example"), (":path", path), *headers]
    connection.send_headers(1, head, end_stream=True)
    writer.write(connection.data_to_send())
    status, body = "", b""
    while data := await asyncio.wait_for(reader.read(65536), PATIENCE):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                status = dict[Any, Any](event.headers or [])[":status"]
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
            elif isinstance(event, h2.events.StreamEnded):
                writer.close()
                return status, body
        writer.write(connection.data_to_send())
    raise AssertionError("no answer")


def test_a_filter_that_fails_and_what_is_no_request(tmp_path: Path) -> None:
    crash = {"crash": {"component": str(HOSTILE / "hostile.wasm"), "config": {"on-request": {"do": "trap"}}}}

    async def scene() -> None:
        async with inspected(tmp_path, HTML, [{"filter": "crash"}], crash) as proxy:
            assert (await proxy.get("/")).status == 500
            assert (await proxy.get("/ü")).status == 400
            failed, refused = await proxy.flows()
            assert failed["comment"] == "0:* | crash failed"
            assert "  failed: unreachable executed" in await proxy.story(failed["id"])
            assert any("http_request_error" in line for line in await proxy.story(refused["id"]))

    asyncio.run(scene())


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_other_methods(tmp_path: Path, method: str) -> None:
    async def scene() -> None:
        async with inspected(tmp_path, lambda asked: ok(b"" if method == "HEAD" else asked.body), []) as proxy:
            answer = await ask(proxy.port, method, "/echo", body=b"hello" if method == "POST" else b"")
            assert (answer.status, answer.body) == (200, b"hello" if method == "POST" else b"")

    asyncio.run(scene())


def test_the_command_ends_in_order(tmp_path: Path) -> None:
    """With a connection to the origin that is still open."""
    origin = ThreadingHTTPServer(("127.0.0.1", 0), KeepsOpen)
    Thread(target=origin.serve_forever, args=(0.05,), daemon=True).start()
    port = free_port()
    config = tmp_path / "sluice.yaml"
    config.write_text(
        f"version: 1\nlisteners: [{{address: '127.0.0.1:{port}'}}]\n"
        f"upstreams: {{o: {{endpoints: ['http://127.0.0.1:{origin.server_port}']}}}}\n"
        "routes: [{chain: [forward: o]}]\n"
    )
    sluice = str(Path(sys.executable).with_name("sluice"))
    command = [sluice, "inspect", str(config), "--dump", "--set", f"confdir={tmp_path}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + PATIENCE
        while not is_taken(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        with urlopen(f"http://127.0.0.1:{port}/a") as response:
            assert response.read() == b"hello"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, ""), err
    assert f"GET http://127.0.0.1:{port}/a" in out
    origin.shutdown()
    origin.server_close()


class KeepsOpen(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None: ...


def test_dump_prints_and_saves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "flows"

    async def scene() -> None:
        async with inspected(tmp_path, HTML, CHAIN, FILTERS, interface="dump", save=str(saved)) as proxy:
            await proxy.get("/a", cookie="design=a")

    asyncio.run(scene())
    assert ": GET http://127.0.0.1/a" in capsys.readouterr().out
    assert b"pages; fwd=uri-miss" in saved.read_bytes()
