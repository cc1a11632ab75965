"""`sluice record` of a real proxy, and `sluice replay` of what mitmproxy and browsers record."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.io import FlowWriter
from mitmproxy.test.tflow import tflow

from proxy.cli import main
from proxy.inspector.files import har
from tests.integration.site import BUILT
from tests.patience import PATIENCE
from tests.ports import free_port

SLUICE = Path(sys.executable).with_name("sluice")
CACHE: dict[str, Any] = {"cache": {"name": "pages"}}


def config(directory: Path, name: str, chain: list[dict[str, Any]], **more: Any) -> Path:
    path = directory / name
    data = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "upstreams": {"origin": {"endpoints": ["http://127.0.0.1:9"]}},
        "filters": {
            "banner": {"component": str(BUILT / "html-inject.wasm"), "config": {"snippet": "<hr>"}},
            "served": {"component": str(BUILT / "headers.wasm"), "config": {"response": {"set": {"x-by": "us"}}}},
        },
        "routes": [{"chain": [*chain, {"forward": "origin"}]}],
        **more,
    }
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    return path


def flow(path: str, body: bytes = b"<head></head>\nhello", *lines: tuple[bytes, bytes], status: int = 200) -> HTTPFlow:
    made = tflow()
    made.request = Request.make("GET", f"http://site.example{path}", headers=Headers([(b"Host", b"site.example")]))
    headers = [(b"Content-Type", b"text/html"), (b"Cache-Control", b"max-age=60"), *lines]
    made.response = Response.make(status, body, Headers(headers))
    return made


def recorded(directory: Path, *flows: HTTPFlow) -> Path:
    path = directory / "flows"
    with path.open("wb") as file:
        for each in flows:
            FlowWriter(file).add(each)
    return path


def replay(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["replay", *map(str, arguments)])


def test_two_configurations_that_do_the_same(tmp_path: Path) -> None:
    one = config(tmp_path, "one.yaml", [CACHE, {"filter": "banner"}])
    result = replay(recorded(tmp_path, flow("/a"), flow("/a"), flow("/b")), "--config", one, "--against", one)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "3 exchanges: 3 the same, 0 differ, 0 could not be tried",
        f"{one}: cache pages: 1 hit, 2 uri-miss",
        f"{one}: cache pages: 1 hit, 2 uri-miss",
    ]


@pytest.mark.parametrize("grant", [{"http": ["http://127.0.0.1:9"]}, {"sockets": {"tcp": ["127.0.0.1:9"]}}])
def test_components_that_reach_others(tmp_path: Path, grant: dict[str, Any]) -> None:
    guest = {"component": str(BUILT / "headers.wasm"), "grants": [grant]}
    one = config(tmp_path, "one.yaml", [], filters={"guest": guest})
    result = replay(recorded(tmp_path, flow("/a")), "--config", one, "--against", one)
    assert result.exit_code == 2
    assert "filters.guest.grants[0]: lets it reach others by itself, which cannot be replayed" in result.output


def test_every_difference_is_told(tmp_path: Path) -> None:
    one, two = (
        config(tmp_path, "one.yaml", []),
        config(tmp_path, "two.yaml", [{"filter": "banner"}, {"filter": "served"}]),
    )
    result = replay(recorded(tmp_path, flow("/a")), "--config", two, "--against", one)
    assert (result.exit_code, result.stdout.splitlines()) == (
        1,
        [
            "#1 GET http://site.example/a",
            "  +x-by: us",
            "  -<head></head>",
            "  +<head><hr></head>",
            "1 exchanges: 0 the same, 1 differ, 0 could not be tried",
        ],
    )
    assert (
        replay(recorded(tmp_path, flow("/a", b"")), "--config", two, "--against", one, "--ignore", "X-By").exit_code
        == 0
    )


def test_beside_what_mitmproxy_recorded(tmp_path: Path) -> None:
    """mitmproxy stood in front of the origin, so what it saw is what the chain begins with."""
    one = config(tmp_path, "one.yaml", [CACHE])
    assert replay(recorded(tmp_path, flow("/a"), flow("/b", status=404)), "--config", one).exit_code == 0
    two = config(
        tmp_path, "two.yaml", [{"respond": {"status": 403}}], routes=[{"chain": [{"respond": {"status": 403}}]}]
    )
    result = replay(recorded(tmp_path, flow("/a")), "--config", two)
    assert result.exit_code == 1
    assert "  -status 200\n  +status 403\n" in result.stdout


def test_har_of_mitmproxy(tmp_path: Path) -> None:
    path = tmp_path / "traffic.har"
    path.write_text(json.dumps(har([flow("/a"), flow("/b", b"\x00\xff", (b"Content-Encoding", b"identity"))])))
    result = replay(path, "--config", config(tmp_path, "one.yaml", [CACHE]))
    assert result.exit_code == 0, result.output
    assert "2 exchanges: 2 the same" in result.stdout


BROWSER: dict[str, Any] = {
    "startedDateTime": "2026-11-27T09:15:02.123Z",
    "time": 41.2,
    "request": {
        "method": "GET",
        "url": "https://site.example/a?b=c",
        "httpVersion": "h2",
        "headers": [
            {"name": ":authority", "value": "site.example"},
            {"name": ":method", "value": "GET"},
            {"name": ":path", "value": "/a?b=c"},
            {"name": ":scheme", "value": "https"},
            {"name": "accept-encoding", "value": "gzip, deflate, br, zstd"},
        ],
        "queryString": [{"name": "b", "value": "c"}],
        "cookies": [],
        "headersSize": -1,
        "bodySize": 0,
    },
    "response": {
        "status": 200,
        "statusText": "",
        "httpVersion": "h2",
        "headers": [
            {"name": "content-type", "value": "text/html; charset=utf-8"},
            {"name": "date", "value": "Fri, 27 Nov 2026 09:15:02 GMT"},
        ],
        "cookies": [],
        "content": {"size": 22, "mimeType": "text/html", "text": "<head></head>\n<p>grün"},
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": -1,
        "_transferSize": 120,
    },
    "cache": {},
    "timings": {"blocked": 1, "dns": -1, "connect": -1, "send": 0.1, "wait": 30, "receive": 10},
}


def test_har_of_a_browser(tmp_path: Path) -> None:
    blocked = json.loads(json.dumps(BROWSER))
    blocked["response"] = {"status": 0, "statusText": "", "httpVersion": "", "headers": [], "content": {"size": 0}}
    posted = json.loads(json.dumps(BROWSER))
    posted["request"] |= {"method": "POST", "postData": {"mimeType": "application/json", "params": []}}
    path = tmp_path / "site.example.har"
    path.write_text("\ufeff" + json.dumps({"log": {"version": "1.2", "entries": [BROWSER, blocked, posted]}}))
    one, two = config(tmp_path, "one.yaml", []), config(tmp_path, "two.yaml", [{"filter": "banner"}])
    result = replay(path, "--config", two, "--against", one)
    assert result.exit_code == 1, result.output
    told = result.stdout.splitlines()
    assert told[:3] == ["#1 GET https://site.example/a?b=c", "  -<head></head>", "  +<head><hr></head>"]
    assert told[-1] == "1 entries were left out: without an answer, or without all of the request's body"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"log": {"entries": [{}]}}', b"garbage", b"12:abc"])
def test_what_is_no_recording(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    result = replay(path, "--config", config(tmp_path, "one.yaml", []))
    assert result.exit_code == 2
    assert str(path) in result.stderr


def test_what_a_running_proxy_did_is_recorded_and_replayed(tmp_path: Path) -> None:
    """The whole way, by the commands: a proxy, a recording of it as flows and as HAR, a regression test from them."""
    routes = [{"chain": [CACHE, {"filter": "served"}, {"respond": {"body": "hello"}}]}]
    behind, front, admin = (free_port() for _ in range(3))
    origin = config(tmp_path, "origin.yaml", [], listeners=[{"address": f"127.0.0.1:{behind}"}], routes=routes)
    running = config(
        tmp_path,
        "running.yaml",
        [{"filter": "banner"}],
        listeners=[{"address": f"127.0.0.1:{front}"}],
        admin={"address": f"127.0.0.1:{admin}"},
        upstreams={"origin": {"endpoints": [f"http://127.0.0.1:{behind}"]}},
    )
    processes = [started("run", origin, says="listening"), started("run", running, says="admin on")]
    try:
        for name in ("a.flows", "a.har"):
            recorder = started("record", running, tmp_path / name, "--count", "2", says="recording into")
            for path in ("/a", "/b"):
                with urllib.request.urlopen(f"http://127.0.0.1:{front}{path}") as response:
                    assert response.read() == b"hello"
            assert recorder.communicate(timeout=PATIENCE)[0] == f"2 exchanges in {tmp_path / name}\n"
            result = replay(tmp_path / name, "--config", running)
            assert (result.exit_code, result.stdout) == (
                0,
                "2 exchanges: 2 the same, 0 differ, 0 could not be tried\n",
            ), result.output
    finally:
        for process in processes:
            process.terminate()
            process.communicate(timeout=PATIENCE)


def started(*arguments: object, says: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [str(SLUICE), *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if re.match(says, line):
            return process
    raise AssertionError(f"{arguments} ended")


def test_no_proxy_to_record(tmp_path: Path) -> None:
    without = config(tmp_path, "without.yaml", [])
    result = CliRunner().invoke(main, ["record", str(without), str(tmp_path / "a")])
    assert (result.exit_code, result.stderr) == (2, "no proxy can be asked: CONFIG has no `admin`\n")
    nobody = config(tmp_path, "nobody.yaml", [], admin={"address": f"127.0.0.1:{(port := free_port())}"})
    result = CliRunner().invoke(main, ["record", str(nobody), str(tmp_path / "a")])
    assert (result.exit_code, result.stderr) == (2, f"no proxy answers on 127.0.0.1:{port}\n")
