"""Several workers under one supervisor: real processes, killed and reloaded."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.patience import PATIENCE
from tests.server.process import Process, config, respond, running

ADMIN = {"admin": {"address": "127.0.0.1:0"}}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@dataclass
class Load:
    """Requests one after the other on connections of several threads. broken: connections that ended within an
    exchange; answers: how often each body came."""

    process: Process
    close: bool = False
    broken: int = 0
    answers: dict[bytes, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.process.port, timeout=PATIENCE)
        while not self._over.is_set():
            try:
                connection.request("GET", "/", headers={"connection": "close"} if self.close else {})
                response = connection.getresponse()
                body = response.read()
            except (OSError, HTTPException):
                self.broken += 1
                connection.close()
                continue
            assert response.status == 200
            self.answers[body] = self.answers.get(body, 0) + 1
        connection.close()

    def end(self) -> None:
        self._over.set()


@contextmanager
def load(process: Process, *, clients: int = 4, close: bool = False) -> Iterator[Load]:
    under = Load(process, close)
    threads = [threading.Thread(target=under.run) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: sum(under.answers.values()) > clients)
        yield under
    finally:
        under.end()
        for thread in threads:
            thread.join(PATIENCE)


def pids(process: Process) -> set[int]:
    return {worker["pid"] for worker in process.workers()}


def test_a_killed_worker_is_replaced_and_the_others_lose_nothing(tmp_path: Path) -> None:
    with running(config(tmp_path, respond("one"), workers=2, **ADMIN)) as process:
        before = pids(process)
        assert len(before) == 2
        victim = min(before)
        with load(process, clients=6) as under:
            os.kill(victim, signal.SIGKILL)
            until(lambda: len(pids(process) - {victim}) == 2)
            total = sum(under.answers.values())
            until(lambda: sum(under.answers.values()) > total + 100)
        # Each connection that the victim had is lost once, and connects again.
        assert under.broken <= 6
        assert process.admin("GET", "/healthz")[0] == 200
        assert "sluice_workers_replaced_total 1.0" in process.admin("GET", "/metrics")[1]


def test_metrics_are_of_all_workers_and_stay_when_one_is_killed(tmp_path: Path) -> None:
    def counted() -> int:
        lines = process.admin("GET", "/metrics")[1].splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith("sluice_requests_total"))

    with running(config(tmp_path, respond("one"), workers=2, **ADMIN)) as process:
        for _ in range(30):
            assert process.get() == (200, b"one")
        assert counted() == 30
        victim = min(pids(process))
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(pids(process) - {victim}) == 2)
        assert counted() == 30


def test_a_reload_reaches_every_worker_and_loses_no_request(tmp_path: Path) -> None:
    path = config(tmp_path, respond("body 0"), workers=2, **ADMIN)
    with running(path) as process, load(process) as kept, load(process, close=True) as closing:
        for number in range(1, 11):
            config(tmp_path, respond(f"body {number}"), workers=2, **ADMIN)
            assert process.admin("POST", "/reload")[0] == 200
            assert {process.get()[1] for _ in range(10)} == {b"body %d" % number}
        assert {worker["generation"] for worker in process.workers()} == {11}
    assert kept.broken == closing.broken == 0


def test_a_reload_goes_on_when_who_asked_for_it_leaves(tmp_path: Path) -> None:
    path = config(tmp_path, respond("one"), workers=2, **ADMIN)
    with running(path) as process:
        held = min(pids(process))
        os.kill(held, signal.SIGSTOP)
        config(tmp_path, respond("two"), workers=2, **ADMIN)
        with socket.create_connection(("127.0.0.1", process.admin_port)) as client:
            client.sendall(b"POST /reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
            assert process.admin("GET", "/healthz")[0] == 200
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        assert process.admin("GET", "/healthz")[0] == 200
        os.kill(held, signal.SIGCONT)
        until(lambda: process.get() == (200, b"two"))
        until(lambda: {worker["generation"] for worker in process.workers()} == {2})


def test_a_wrong_configuration_is_refused_with_its_errors_by_all(tmp_path: Path) -> None:
    path = config(tmp_path, respond("one"), workers=2, **ADMIN)
    with running(path) as process:
        (tmp_path / "broken.wasm").write_bytes(b"\0asm\x0d\0\1\0garbage")
        config(
            tmp_path,
            [{"filter": "f"}, *respond("two")],
            workers=2,
            filters={"f": {"component": "broken.wasm"}},
            **ADMIN,
        )
        status, errors = process.admin("POST", "/reload")
        assert status == 422
        assert f"{path}:" in errors
        assert "filters.f.component" in errors
        assert {process.get()[1] for _ in range(10)} == {b"one"}
        # Who is killed now comes back with what is in effect, not with what is on disk.
        victim = min(pids(process))
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(pids(process) - {victim}) == 2)
        assert {process.get()[1] for _ in range(20)} == {b"one"}
        assert 'sluice_reloads_total{result="failure"} 1.0' in process.admin("GET", "/metrics")[1]


def test_a_reload_changes_listeners_and_the_number_of_workers(tmp_path: Path) -> None:
    with running(config(tmp_path, respond("one"), **ADMIN)) as process:
        first = process.port
        kept = HTTPConnection("127.0.0.1", first, timeout=PATIENCE)
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"one"
        listeners = [{"address": "127.0.0.2:0"}]
        config(tmp_path, respond("two"), workers=3, listeners=listeners, **ADMIN)
        assert process.admin("POST", "/reload")[0] == 200
        assert len(process.workers()) == 3
        process.refuses()
        # Whoever was connected is served once more, and told that it is the last time.
        kept.request("GET", "/")
        response = kept.getresponse()
        assert (response.read(), response.getheader("connection")) == (b"two", "close")
        listeners.append({"address": "127.0.0.1:0"})
        config(tmp_path, respond("three"), workers=1, listeners=listeners, **ADMIN)
        assert process.admin("POST", "/reload")[0] == 200
        status = json.loads(process.admin("GET", "/status")[1])
        assert (len(status["workers"]), status["listeners"]) == (1, ["127.0.0.2:0", "127.0.0.1:0"])


def test_workers_drain_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with running(config(tmp_path, respond("one"), workers=2, **ADMIN)) as process:
        left = pids(process)
        process.popen.kill()
        until(lambda: not any(alive(pid) for pid in left))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
