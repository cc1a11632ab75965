"""What ./scripts/run promises, on ports of its own."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.ports import free_port

RUN = Path(__file__).parents[2] / "demo" / "run.py"


@dataclass(frozen=True)
class Answer:
    status: int
    fields: dict[str, str]
    body: str

    @property
    def outcomes(self) -> list[str]:
        """`hit` or the reason for forwarding, of each cache, the innermost first."""
        members = self.fields.get("cache-status", "").split(", ")
        return [member.split("; ")[1].removeprefix("fwd=") for member in members if member]


@dataclass(frozen=True)
class Demo:
    process: subprocess.Popen[str]
    port: int
    origin: int
    admin: int
    printed: str

    def get(self, path: str, *, port: int | None = None, body: str | None = None, **fields: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        try:
            headers = {name.replace("_", "-"): value for name, value in fields.items()}
            connection.request("GET" if body is None else "POST", path, body, headers)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read().decode())
        finally:
            connection.close()


def start(**ports: int) -> subprocess.Popen[str]:
    environment = {**os.environ, **{name: str(port) for name, port in ports.items()}}
    return subprocess.Popen(
        [sys.executable, str(RUN)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    port, origin, admin = (free_port() for _ in range(3))
    process = start(PORT=port, ORIGIN_PORT=origin, ADMIN_PORT=admin)
    assert process.stdout is not None
    printed = ""
    while "Below:" not in printed:
        line = process.stdout.readline()
        assert line, f"the demo ended:\n{printed}"
        printed += line
    yield Demo(process, port, origin, admin, printed)
    process.terminate()
    process.communicate(timeout=PATIENCE)


def test_it_says_what_to_try(demo: Demo) -> None:
    assert f"serves the demo on http://127.0.0.1:{demo.port}" in demo.printed
    assert demo.printed.count("curl") >= 10


def test_a_miss_then_a_hit(demo: Demo) -> None:
    assert demo.get("/about.html").outcomes == ["uri-miss", "uri-miss"]
    again = demo.get("/about.html")
    assert (again.status, again.outcomes) == (200, ["hit"])
    assert "age" in again.fields


def test_variants_by_the_cookie_and_by_nothing_else(demo: Demo) -> None:
    a, b = demo.get("/", cookie="design=a"), demo.get("/", cookie="design=b")
    assert ('class="design-a"' in a.body, 'class="design-b"' in b.body) == (True, True)
    assert b.outcomes[-1] == "vary-miss"

    again = demo.get("/", cookie="design=b; other=1", accept_language="de")
    assert (again.outcomes, again.body) == (["hit"], b.body)


def test_a_blocked_request(demo: Demo) -> None:
    assert demo.get("/api/products").status == 401
    assert demo.get("/api/products", x_api_key="wrong").status == 401
    allowed = demo.get("/api/products", x_api_key="demo")
    assert (allowed.status, json.loads(allowed.body)[0]["id"]) == (200, 1)
    assert demo.get("/api/products").status == 401


def test_a_transformed_body(demo: Demo) -> None:
    assert "banner" not in demo.get("/", port=demo.origin).body
    assert demo.get("/", cookie="design=a").body.count("/banner.css") == 1


def test_filters_on_the_way_back(demo: Demo) -> None:
    fields = demo.get("/style.css").fields
    assert fields["x-served-by"] == "sluicegate"
    assert "server" not in fields
    assert fields["x-content-type-options"] == "nosniff"


def test_a_redirect(demo: Demo) -> None:
    moved = demo.get("/old/about")
    assert (moved.status, moved.fields["location"]) == (301, "/about.html")


def test_what_must_not_be_stored_is_not(demo: Demo) -> None:
    demo.get("/private")
    assert "hit" not in demo.get("/private").outcomes


def test_the_ttl_of_the_stage_where_the_origin_is_silent(demo: Demo) -> None:
    first = demo.get("/silent")
    assert demo.get("/silent").body == first.body


def test_an_upload_comes_back(demo: Demo) -> None:
    assert demo.get("/echo", body="hello").body == "hello"


def test_what_is_not_there(demo: Demo) -> None:
    assert demo.get("/missing").status == 404


def test_the_admin_listener(demo: Demo) -> None:
    ready = json.loads(demo.get("/readyz", port=demo.admin).body)
    assert (ready["ready"], len(ready["filters"])) == (True, 6)
    assert "sluice_requests_total{" in demo.get("/metrics", port=demo.admin).body
    config = json.loads(demo.get("/config", port=demo.admin).body)
    assert config["filters"]["api-key"]["config"]["keys"] == "[redacted]"


def test_a_port_that_is_taken(demo: Demo) -> None:
    other = start(PORT=demo.port)
    output, _ = other.communicate(timeout=PATIENCE)
    assert other.returncode == 1
    assert output.startswith(f"port {demo.port} of 127.0.0.1 is taken.")


def test_it_stops_both() -> None:
    port, origin, admin = (free_port() for _ in range(3))
    process = start(PORT=port, ORIGIN_PORT=origin, ADMIN_PORT=admin)
    assert process.stdout is not None
    while "Below:" not in (line := process.stdout.readline()):
        assert line, "the demo ended"
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=PATIENCE)
    finally:
        process.terminate()  # of use when it has not heard

    assert process.returncode == 0
    for each in (port, origin, admin):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", each)) != 0
