"""`sluice reload` and `sluice status`, asked of a proxy that runs."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.patience import PATIENCE
from tests.ports import free_port
from tests.server.process import SLUICE, Process, config, respond, running


def sluice(*arguments: object) -> tuple[int, str, str]:
    """Exit status, standard output, standard error."""
    done = subprocess.run([SLUICE, *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr


class Site:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.admin = {"address": f"127.0.0.1:{free_port()}", "token": "s3cret"}
        self.path = self.write("one")

    def write(self, body: str) -> Path:
        upstreams = {"shop": {"endpoints": ["http://127.0.0.1:9"]}}
        chain = respond(body)
        return config(self.directory, chain, admin=self.admin, workers=2, upstreams=upstreams)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def proxy(site: Site) -> Iterator[Process]:
    with running(site.path) as process:
        yield process


def test_reload_is_in_every_worker_when_it_ends(site: Site, proxy: Process) -> None:
    site.write("two")
    assert sluice("reload", site.path) == (0, f"reloaded {site.path}: generation 2 in 2 workers\n", "")
    assert {proxy.get() for _ in range(20)} == {(200, b"two")}


def test_what_is_wrong_is_said_with_its_place_and_everything_stays(site: Site, proxy: Process) -> None:
    before = proxy.get()
    good = site.path.read_text()
    site.path.write_text(good.replace("respond", "rspond"))
    status, output, errors = sluice("reload", site.path)
    assert (status, output) == (2, "")
    assert errors.startswith(f"{site.path}:")
    assert "respond" in errors
    site.path.write_text(good)
    assert proxy.get() == before


def test_what_the_proxy_refuses_is_said(site: Site, proxy: Process) -> None:
    """Well-formed, and not to be had: somebody listens there."""
    good = site.path.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        site.path.write_text(good.replace("listeners:", f"listeners:\n- address: {address}"))
        status, output, errors = sluice("reload", site.path)
    site.path.write_text(good)
    assert (status, output) == (1, "")
    assert "says: 422" in errors
    assert address in errors


def test_status_for_people(site: Site, proxy: Process) -> None:
    status, output, errors = sluice("status", site.path)
    assert (status, errors) == (0, "")
    first, supervisor, *rest = output.splitlines()
    assert first == f"serving: {site.path}"
    assert f"pid {proxy.popen.pid}," in supervisor
    assert [line.split("  ")[0] for line in rest] == ["worker 0", "worker 1", "listener", "upstream"]
    assert "127.0.0.1:9  healthy, 0 active, 0 requests, 0 failures" in rest[-1]


def test_status_for_programs(site: Site, proxy: Process) -> None:
    status, output, _ = sluice("status", site.path, "--json")
    said = json.loads(output)
    assert (status, said["pid"], len(said["workers"])) == (0, proxy.popen.pid, 2)


@pytest.mark.parametrize("command", ["reload", "status"])
def test_nobody_there_to_ask(tmp_path: Path, command: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    path = config(tmp_path, respond("one"), admin={"address": address})
    status, output, errors = sluice(command, path)
    assert (status, output) == (1, "")
    assert errors == f"no proxy answers on {address}: is it running, and with this `admin` in its CONFIG?\n"


@pytest.mark.parametrize("admin", [{}, {"admin": {"address": "127.0.0.1:0"}}])
def test_no_admin_listener_that_could_be_asked(tmp_path: Path, admin: dict[str, object]) -> None:
    status, _, errors = sluice("status", config(tmp_path, respond("one"), **admin))
    assert status == 1
    assert errors.startswith("the proxy cannot be asked: give ")


@pytest.mark.parametrize("said", [b"220 mail ESMTP\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhtml"])
def test_something_else_listens_there(tmp_path: Path, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        path = config(tmp_path, respond("one"), admin={"address": f"127.0.0.1:{other.getsockname()[1]}"})
        asking = subprocess.Popen([SLUICE, "status", path], stderr=subprocess.PIPE, text=True)
        with other.accept()[0] as client:
            client.recv(4096)
            client.sendall(said)
        _, errors = asking.communicate(timeout=PATIENCE)
    assert (asking.returncode, "does not answer as the admin listener of a proxy" in errors) == (1, True)
