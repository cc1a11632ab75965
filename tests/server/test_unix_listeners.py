"""Listeners on Unix sockets: real processes, real files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pytest
from click.testing import CliRunner

from proxy.cli.inspect import command as inspect
from proxy.cli.status import command as status
from proxy.config.loader import load
from proxy.downstream import bind_file
from proxy.server.socket_files import SocketFiles
from proxy.server.sockets import bind
from tests.integration.site import ok, site
from tests.patience import PATIENCE
from tests.server.process import SLUICE, Process, config, respond, running
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


def permissions(*paths: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


def test_the_life_of_sockets(tmp_path: Path) -> None:
    """One that a killed process left is replaced; workers share it; a reload keeps, makes and removes; a restart hands
    on, and the end takes away."""
    site, second, admin = (tmp_path / name for name in ("site", "second", "admin"))
    bind_file(str(site), 0o600).close()
    more: dict[str, Any] = {"workers": 2, "admin": {"address": f"unix:{admin}"}}
    path = config(tmp_path, respond("one"), **more, **listeners(site, mode="0660"))
    with running(path) as process:
        process.until(f"listening on unix:{site}")
        process.until(f"admin on unix:{admin}")
        assert permissions(site, admin) == [0o660, 0o600]
        assert {ask(site) for _ in range(8)} == {b"HTTP/1.1 200 OK one"}
        told = CliRunner().invoke(status, [str(path)])
        assert (told.exit_code, f"listener    unix:{site}" in told.output) == (0, True)
        with pytest.raises(OSError, match=f"cannot listen on unix:{site}: another process listens there"):
            bind(load(path).config, {}, SocketFiles(), 2)

        made = site.stat().st_ino
        config(tmp_path, respond("two"), **more, **listeners(site))
        process.popen.send_signal(signal.SIGHUP)
        process.until("reloaded")
        assert ask(site) == b"HTTP/1.1 200 OK two"
        assert (site.stat().st_ino, permissions(site)) == (made, [0o600])
        config(tmp_path, [{"filter": "none"}], **more, **listeners(second))
        process.popen.send_signal(signal.SIGHUP)
        process.until("reload refused")
        assert (site.exists(), second.exists()) == (True, False)
        config(tmp_path, respond("three"), **more, **listeners(second))
        process.popen.send_signal(signal.SIGHUP)
        process.until("reloaded")
        assert ask(second) == b"HTTP/1.1 200 OK three"
        assert not site.exists()

        config(tmp_path, respond("four"), **more, **listeners(second))
        process.popen.send_signal(signal.SIGUSR2)
        assert process.popen.wait(PATIENCE) == 0
        new = json.loads(CliRunner().invoke(status, ["--json", str(path)]).output)["pid"]
        try:
            assert ask(second) == b"HTTP/1.1 200 OK four"
        finally:
            os.kill(new, signal.SIGTERM)
            until(lambda: not alive(new))
        assert not second.exists()
        assert not admin.exists()
        assert "no proxy answers" in CliRunner().invoke(status, [str(path)]).output


@contextmanager
def starting(process: Process, path: Path) -> Iterator[TextIO]:
    """A successor that waits for its configuration, which is to be written here."""
    path.unlink()
    os.mkfifo(path)
    process.popen.send_signal(signal.SIGUSR2)
    with path.open("w") as written:  # opens when somebody reads
        yield written


def test_a_process_that_is_told_to_end_leaves_the_files_to_its_successor_that_is_still_starting(tmp_path: Path) -> None:
    site, admin = tmp_path / "site", tmp_path / "admin"
    path = config(tmp_path, respond("one"), admin={"address": f"unix:{admin}"}, **listeners(site))
    then = path.read_text().replace("one", "two")
    with running(path) as process:
        with starting(process, path) as written, socket.socket(socket.AF_UNIX) as meanwhile:
            process.popen.send_signal(signal.SIGTERM)
            assert process.popen.wait(PATIENCE) == 0
            meanwhile.settimeout(PATIENCE)
            meanwhile.connect(str(site))
            written.write(then)
            written.close()
            meanwhile.sendall(GET)
            assert meanwhile.recv(15) == b"HTTP/1.1 200 OK"
        path.unlink()
        path.write_text(then)
        new = json.loads(CliRunner().invoke(status, ["--json", str(path)]).output)["pid"]
        try:
            assert ask(site) == b"HTTP/1.1 200 OK two"
        finally:
            os.kill(new, signal.SIGTERM)
            until(lambda: not alive(new))
        assert not site.exists()
        assert not admin.exists()


def test_a_process_that_is_told_to_end_takes_the_files_away_when_its_successor_came_to_nothing(tmp_path: Path) -> None:
    site = tmp_path / "site"
    with socket.create_server(("127.0.0.1", 0)) as origin, socket.socket(socket.AF_UNIX) as client:
        upstreams = {"slow": {"endpoints": [f"http://127.0.0.1:{origin.getsockname()[1]}"]}}
        path = config(tmp_path, [{"forward": "slow"}], upstreams=upstreams, **listeners(site))
        with running(path) as process:
            client.connect(str(site))
            client.sendall(GET)
            asked, _ = origin.accept()
            with asked, starting(process, path) as written:
                process.popen.send_signal(signal.SIGTERM)
                process.until("draining")
                written.write("version: 0")
                written.close()
                process.until("restart refused")
                assert not site.exists()
                asked.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                assert client.recv(15) == b"HTTP/1.1 200 OK"
                assert process.popen.wait(PATIENCE) == 0


def test_clients_have_no_address_but_what_the_proxy_protocol_says(tmp_path: Path) -> None:
    async def main() -> None:
        at = tmp_path / "s"
        listeners = [{"address": f"unix:{at}", "proxy_protocol": True}, {"address": "127.0.0.1:0"}]
        async with site(tmp_path, ok(), listeners=listeners[::-1]) as proxy:
            headers = [b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\n", b"PROXY TCP6 2001:db8::7 ::1 4711 80\r\n"]
            for header in [*headers, b"PROXY UNKNOWN\r\n"]:
                assert await asyncio.to_thread(ask, at, header + GET) == b"HTTP/1.1 200 OK hello"
        told = [(asked.header("x-forwarded-for"), asked.header("forwarded")) for asked in proxy.asked]
        assert told == [
            ("192.0.2.7", "for=192.0.2.7;host=h;proto=http"),
            ("2001:db8::7", 'for="[2001:db8::7]";host=h;proto=http'),
            ("unknown", "for=unknown;host=h;proto=http"),
        ]

    asyncio.run(main())


def test_mitmproxy_is_told_where_to_listen_instead(tmp_path: Path) -> None:
    pytest.importorskip("mitmproxy")
    path = config(tmp_path, respond("one"), listeners=[{"address": f"unix:{tmp_path}/s"}])
    done = CliRunner().invoke(inspect, [str(path)])
    assert done.exit_code == 2
    assert f"mitmproxy does not listen on unix:{tmp_path}/s: say where with --listen host:port" in done.output


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
