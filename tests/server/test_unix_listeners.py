"""Listeners on Unix sockets: real processes, real files."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from proxy.cli.status import command as status
from tests.server.process import PATIENCE, SLUICE, config, respond, running
from tests.server.test_takeover import ACTIVATOR
from tests.server.test_workers import alive, until

GET = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"


def listeners(path: Path, **options: Any) -> dict[str, Any]:
    """One that `Process` finds, and one on a Unix socket."""
    return {"listeners": [{"address": "127.0.0.1:0"}, {"address": f"unix:{path}", **options}]}


def ask(path: Path, data: bytes = GET) -> bytes:
    """The first line and the last of what is answered."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(path))
        client.sendall(data)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return answer.partition(b"\r\n")[0] + b" " + answer.rpartition(b"\r\n")[2]


def test_workers_share_a_socket_whose_file_goes_with_them(tmp_path: Path) -> None:
    site, admin = tmp_path / "s", tmp_path / "admin"
    more = listeners(site, mode="0660", proxy_protocol=True) | {"admin": {"address": f"unix:{admin}"}}
    log = {"access_log": {"to": str(tmp_path / "log"), "fields": ["client"]}}
    path = config(tmp_path, respond("one"), workers=2, **more, **log)
    with running(path) as process:
        process.until(f"listening on unix:{site}")
        process.until(f"admin on unix:{admin}")
        assert [stat.S_IMODE(each.stat().st_mode) for each in (site, admin)] == [0o660, 0o600]
        headers = [b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n", b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n"]
        for header in [*headers, b"PROXY UNKNOWN\r\n"]:
            assert ask(site, header + GET) == b"HTTP/1.1 200 OK one"
        told = CliRunner().invoke(status, [str(path)])
        assert (told.exit_code, f"listener    unix:{site}" in told.output) == (0, True)
        process.popen.terminate()
        assert process.popen.wait(PATIENCE) == 0
        assert not site.exists()
        assert not admin.exists()
        assert "no proxy answers" in CliRunner().invoke(status, [str(path)]).output
    clients = {json.loads(line)["client"] for line in (tmp_path / "log").read_text().splitlines()}
    assert clients == {"192.0.2.7", "2001:db8::7", "unknown"}


def test_a_killed_proxy_is_followed_by_another_and_one_that_lives_is_not(tmp_path: Path) -> None:
    site = tmp_path / "s"
    path = config(tmp_path, respond("one"), **listeners(site))
    with running(path) as process:
        process.popen.kill()
        process.popen.wait(PATIENCE)
        assert site.exists()
    with running(path):
        assert ask(site) == b"HTTP/1.1 200 OK one"
        refused = subprocess.run([SLUICE, "run", path], capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert refused.returncode == 2
        assert f"cannot listen on unix:{site}: another process listens there" in refused.stderr
        assert ask(site) == b"HTTP/1.1 200 OK one"


def test_a_reload_keeps_makes_and_removes_sockets(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    path = config(tmp_path, respond("one"), **listeners(first))
    with running(path) as process:
        before = first.stat().st_ino
        config(tmp_path, respond("two"), **listeners(first, mode="0666"))
        process.popen.send_signal(signal.SIGHUP)
        process.until("reloaded")
        assert ask(first) == b"HTTP/1.1 200 OK two"
        assert (first.stat().st_ino, stat.S_IMODE(first.stat().st_mode)) == (before, 0o666)
        config(tmp_path, [{"filter": "none"}], **listeners(second))
        process.popen.send_signal(signal.SIGHUP)
        process.until("reload refused")
        assert (first.exists(), second.exists()) == (True, False)
        config(tmp_path, respond("three"), **listeners(second))
        process.popen.send_signal(signal.SIGHUP)
        process.until("reloaded")
        assert ask(second) == b"HTTP/1.1 200 OK three"
        assert not first.exists()


def test_a_restart_without_a_gap_keeps_the_file(tmp_path: Path) -> None:
    site = tmp_path / "s"
    admin = {"admin": {"address": "127.0.0.1:0"}}
    path = config(tmp_path, respond("one"), **listeners(site), **admin)
    with running(path) as process:
        config(tmp_path, respond("two"), **listeners(site), **admin)
        process.popen.send_signal(signal.SIGUSR2)
        assert process.popen.wait(PATIENCE) == 0
        new = int(json.loads(process.admin("GET", "/status")[1])["pid"])
        try:
            assert ask(site) == b"HTTP/1.1 200 OK two"
        finally:
            os.kill(new, signal.SIGTERM)
            until(lambda: not alive(new))
        assert not site.exists()


def test_a_socket_of_the_service_manager_is_taken_and_its_file_left_to_it(tmp_path: Path) -> None:
    site = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as held, socket.socket(socket.AF_UNIX) as waiting:
        held.bind(str(site))
        held.listen()
        waiting.settimeout(PATIENCE)
        waiting.connect(str(site))
        path = config(tmp_path, respond("one"), listeners=[{"address": f"unix:{site}"}])
        command = [sys.executable, "-c", ACTIVATOR, str(held.fileno()), str(SLUICE), "run", str(path)]
        with subprocess.Popen(command, pass_fds=[held.fileno()]) as process:
            waiting.sendall(GET)
            assert waiting.recv(15) == b"HTTP/1.1 200 OK"
            process.terminate()
        assert site.exists()
