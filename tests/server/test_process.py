"""`sluice run` as a process: what it prints, how it drains, reloads and refuses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.server.process import SLUICE, config, respond, running


@contextmanager
def slow_origin() -> Iterator[tuple[int, threading.Event, threading.Event]]:
    """(port, set when a request came, set it to let the answer go)."""
    asked, answer = threading.Event(), threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            asked.set()
            answer.wait(PATIENCE)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1], asked, answer
    finally:
        answer.set()
        thread.join(PATIENCE)
        listening.close()


def test_sigterm_lets_a_running_exchange_end(tmp_path: Path) -> None:
    with slow_origin() as (port, asked, answer):
        upstreams = {"o": {"endpoints": [f"http://127.0.0.1:{port}"]}}
        with running(config(tmp_path, [{"forward": "o"}], upstreams=upstreams)) as process:
            answers: list[tuple[int, bytes]] = []
            client = threading.Thread(target=lambda: answers.append(process.get()))
            client.start()
            assert asked.wait(PATIENCE)
            process.popen.send_signal(signal.SIGTERM)
            process.until("draining")
            process.refuses()
            answer.set()
            client.join(PATIENCE)
            assert answers == [(200, b"slow")]
            assert process.popen.wait(PATIENCE) == 0


def test_a_second_sigterm_ends_at_once(tmp_path: Path) -> None:
    with slow_origin() as (port, asked, _):
        upstreams = {"o": {"endpoints": [f"http://127.0.0.1:{port}"]}}
        with running(config(tmp_path, [{"forward": "o"}], upstreams=upstreams)) as process:
            client = socket.create_connection(("127.0.0.1", process.port))
            client.sendall(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            assert asked.wait(PATIENCE)
            process.popen.send_signal(signal.SIGTERM)
            process.until("draining")
            process.popen.send_signal(signal.SIGTERM)
            assert process.popen.wait(PATIENCE) == 0
            client.close()


def test_sighup_reloads_and_a_bad_file_changes_nothing(tmp_path: Path) -> None:
    path = config(tmp_path, respond("one"))
    with running(path) as process:
        assert process.get() == (200, b"one")
        config(tmp_path, respond("two"))
        process.popen.send_signal(signal.SIGHUP)
        process.until("reloaded")
        assert process.get() == (200, b"two")
        path.write_text("version: 1\nroute: []\n")
        process.popen.send_signal(signal.SIGHUP)
        process.until("reload refused")
        assert process.get() == (200, b"two")


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_component_that_is_none_is_refused_with_its_place(tmp_path: Path, command: str) -> None:
    (tmp_path / "broken.wasm").write_bytes(b"\0asm\x0d\0\1\0garbage")
    path = config(tmp_path, [{"filter": "f"}, *respond("")], filters={"f": {"component": "broken.wasm"}})
    ended = subprocess.run([SLUICE, command, path], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    line = path.read_text().splitlines().index("    component: broken.wasm") + 1
    assert ended.stderr.startswith(f"{path}:{line}:16: filters.f.component: ")


def test_an_address_that_is_taken_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        path = config(tmp_path, respond(""), listeners=[{"address": address}])
        ended = subprocess.run([SLUICE, "run", path], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert f"cannot listen on {address}" in ended.stderr


def test_the_access_log_has_caches_filters_and_failures(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    upstreams = {"o": {"endpoints": ["http://127.0.0.1:1"]}}
    more = {"upstreams": upstreams, "access_log": {"format": "json", "to": str(log)}}
    with running(config(tmp_path, [{"cache": {"name": "c"}}, {"forward": "o"}], **more)) as process:
        assert process.get("/x")[0] == 502
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(PATIENCE) == 0
    (line,) = log.read_text().splitlines()
    assert '"target":"/x","status":502' in line
    assert '"failure":"connection_refused"' in line
    assert os.stat(log).st_mode & 0o007 == 0
