"""A purge reaches every worker before it is answered: real processes with a memory each, killed and told to go."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE
from tests.server.process import Process, config, running
from tests.server.test_workers import ADMIN, alive, pids, until

URL = "http://shop.example/page"


class Origin(ThreadingHTTPServer):
    """Answers with its edition, which a page is of for an hour."""

    edition = 1

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Page)


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, Origin)
        body = b"edition %d" % self.server.edition
        self.send_response(200)
        self.send_header("cache-control", "max-age=3600")
        self.send_header("surrogate-key", "news")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def origin() -> Iterator[Origin]:
    with Origin() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def write(directory: Path, origin: Origin, cache: dict[str, Any], workers: int = 2) -> Path:
    upstreams = {"site": {"endpoints": [f"http://127.0.0.1:{origin.server_port}"]}}
    chain: list[dict[str, Any]] = [{"cache": {"name": "pages", **cache}}, {"forward": "site"}]
    return config(directory, chain, workers=workers, upstreams=upstreams, **ADMIN)


def ask(process: Process, connection: HTTPConnection | None = None) -> bytes:
    with closing(connection or HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE), connection) as asked:
        asked.request("GET", "/page", headers={"host": "shop.example"})
        return asked.getresponse().read()


@contextmanager
def closing(connection: HTTPConnection, kept: HTTPConnection | None) -> Iterator[HTTPConnection]:
    yield connection
    if kept is None:
        connection.close()


def editions(process: Process, requests: int = 60) -> set[bytes]:
    """Of fresh connections, which come to all workers."""
    return {ask(process) for _ in range(requests)}


def fill(process: Process, workers: int = 2) -> None:
    """Until the page is in the memory of each."""

    def filled() -> bool:
        ask(process)
        (cache,) = json.loads(process.admin("GET", "/caches")[1])
        return bool(cache["keys"] == workers)

    until(filled)


def purge(process: Process, **what: Any) -> None:
    status, answer = process.admin("POST", "/purge", json.dumps(what))
    assert (status, json.loads(answer)["caches"]) == (200, ["pages"])


MEMORY: dict[str, Any] = {}
DISK: dict[str, Any] = {"disk": {"path": "cache"}}


@pytest.mark.parametrize("cache", [MEMORY, DISK], ids=["memory", "disk"])
def test_no_worker_serves_what_was_purged(tmp_path: Path, origin: Origin, cache: dict[str, Any]) -> None:
    with running(write(tmp_path, origin, cache)) as process:
        for what in (
            {"urls": [URL]},
            {"tags": ["news"]},
            {"prefixes": ["http://shop.example/"], "soft": True},
            {"all": True},
        ):
            fill(process)
            before = b"edition %d" % origin.edition
            origin.edition += 1
            assert editions(process) == {before}
            purge(process, **what)
            assert editions(process) == {b"edition %d" % origin.edition}


@pytest.mark.parametrize("cache", [MEMORY, DISK], ids=["memory", "disk"])
def test_nor_does_one_that_takes_the_place_of_another(tmp_path: Path, origin: Origin, cache: dict[str, Any]) -> None:
    with running(write(tmp_path, origin, cache)) as process:
        fill(process)
        origin.edition = 2
        old = pids(process)
        os.kill(min(old), signal.SIGKILL)
        purge(process, tags=["news"])  # whether or not it is missed yet
        assert editions(process) == {b"edition 2"}
        os.kill(max(old), signal.SIGKILL)
        until(lambda: len(pids(process) - old) == 2)
        assert editions(process) == {b"edition 2"}
        if cache is DISK:  # where the others found it
            origin.edition = 3
            assert editions(process) == {b"edition 2"}


def test_nor_does_one_that_was_told_to_go(tmp_path: Path, origin: Origin) -> None:
    """It serves those who are connected once more."""
    with running(write(tmp_path, origin, MEMORY)) as process:
        fill(process)
        connected = [HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE) for _ in range(16)]
        assert {ask(process, connection) for connection in connected} == {b"edition 1"}
        write(tmp_path, origin, MEMORY, workers=1)
        assert process.admin("POST", "/reload")[0] == 200
        assert len(process.workers()) == 1
        origin.edition = 2
        purge(process, urls=[URL])
        assert {ask(process, connection) for connection in connected} == {b"edition 2"}
        for connection in connected:
            connection.close()


def test_nor_does_the_process_that_another_takes_over_from(tmp_path: Path, origin: Origin) -> None:
    """It too serves those who are connected once more."""
    with running(write(tmp_path, origin, MEMORY)) as process:
        fill(process)
        connected = [HTTPConnection("127.0.0.1", process.port, timeout=PATIENCE) for _ in range(16)]
        assert {ask(process, connection) for connection in connected} == {b"edition 1"}
        process.popen.send_signal(signal.SIGUSR2)
        new = int(process.until(r"process (\d+) serves from now on")[1])
        try:
            assert process.popen.poll() is None
            fill(process)
            origin.edition = 2
            purge(process, urls=[URL])
            assert {ask(process, connection) for connection in connected} == {b"edition 2"}
            assert editions(process) == {b"edition 2"}
        finally:
            for connection in connected:
                connection.close()
            os.kill(new, signal.SIGTERM)
            until(lambda: not alive(new))
