"""Sockets from elsewhere: a restart without a gap, socket activation, and what the service manager is told."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.server.process import SLUICE, Process, config, respond, running
from tests.server.test_workers import ADMIN, alive, load, until


def main_pid(process: Process) -> int:
    return int(json.loads(process.admin("GET", "/status")[1])["pid"])


def test_a_restart_loses_no_request(tmp_path: Path) -> None:
    path = config(tmp_path, respond("one"), workers=2, **ADMIN)
    with running(path) as process:
        old = process.popen.pid
        assert main_pid(process) == old
        with load(process) as kept, load(process, close=True) as closing:
            config(tmp_path, respond("two"), workers=2, **ADMIN)
            process.popen.send_signal(signal.SIGUSR2)
            assert process.popen.wait(PATIENCE) == 0
            until(lambda: b"two" in kept.answers and b"two" in closing.answers)
        new = main_pid(process)
        try:
            assert new != old
            assert kept.broken == closing.broken == 0
            assert process.get() == (200, b"two")
        finally:
            os.kill(new, signal.SIGTERM)
            until(lambda: not alive(new))


def test_a_restart_that_comes_to_nothing_leaves_the_old_process_serving(tmp_path: Path) -> None:
    path = config(tmp_path, respond("one"), **ADMIN)
    with running(path) as process:
        path.write_text("version: 1\nroute: []\n")
        process.popen.send_signal(signal.SIGUSR2)
        process.until("restart refused")
        assert process.get() == (200, b"one")


@contextmanager
def service_manager(directory: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(directory / "notify"))
        heard.settimeout(PATIENCE)
        yield heard


def test_the_service_manager_is_told(tmp_path: Path) -> None:
    path = config(tmp_path, respond("one"))
    with service_manager(tmp_path) as heard:
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000000"}
        with running(path, environment=environment) as process:
            assert [heard.recv(1024) for _ in range(2)] == [b"READY=1", b"WATCHDOG=1"]
            process.popen.send_signal(signal.SIGHUP)
            assert heard.recv(1024).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
            assert heard.recv(1024) == b"READY=1"
            process.popen.send_signal(signal.SIGTERM)
            assert heard.recv(1024) == b"STOPPING=1"


ACTIVATOR = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.argv[2], sys.argv[2:])
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_socket_of_the_service_manager_is_taken_for_its_address(tmp_path: Path, host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
        path = config(tmp_path, respond("one"), listeners=[{"address": f"{host}:{port}"}])
        command = [sys.executable, "-c", ACTIVATOR, str(held.fileno()), str(SLUICE), "run", str(path)]
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE) as waiting,
            subprocess.Popen(command, pass_fds=[held.fileno()]) as process,
        ):
            waiting.sendall(b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")
            assert waiting.recv(15) == b"HTTP/1.1 200 OK"
            process.terminate()
