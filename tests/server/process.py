"""`sluice run` as a process."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from tests.patience import PATIENCE

SLUICE = Path(sys.executable).parent / "sluice"


def config(directory: Path, chain: list[dict[str, Any]], **more: Any) -> Path:
    path = directory / "sluice.yaml"
    content = {
        "version": 1,
        "listeners": [{"address": "127.0.0.1:0"}],
        "access_log": "off",
        "routes": [{"chain": chain}],
        **more,
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def respond(body: str) -> list[dict[str, Any]]:
    return [{"respond": {"body": body}}]


class Process:
    """A running proxy. Its standard error is read line by line."""

    def __init__(self, path: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.start([SLUICE, "run", *options, path], env=environment)

    def start(self, command: Sequence[str | Path], **how: Any) -> None:
        """It, its workers and whoever takes over from it are a group, which ends with the test whatever comes of it."""
        self.popen = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True, **how
        )
        try:
            self.port = int(self.until(r"listening on https?://127\.0\.0\.1:(\d+)")[1])
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """All that is left of the group."""
        self._end()
        self.popen.communicate()

    def _end(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)

    def until(self, pattern: str) -> re.Match[str]:
        """The first line that matches. Who does not print it is ended in time."""
        assert self.popen.stderr is not None
        seen = []
        late = threading.Timer(PATIENCE, self._end)
        late.start()
        try:
            for line in self.popen.stderr:
                seen.append(line)
                if found := re.search(pattern, line):
                    return found
        finally:
            late.cancel()
        raise AssertionError(f"{pattern!r} was not printed, but: {''.join(seen)}")

    def admin(self, method: str, path: str, body: str | None = None) -> tuple[int, str]:
        """Asked on the admin listener."""
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        return response.status, answer

    def workers(self) -> list[dict[str, Any]]:
        """Those that serve, as /status has them."""
        workers: list[dict[str, Any]] = json.loads(self.admin("GET", "/status")[1])["workers"]
        return workers

    @cached_property
    def admin_port(self) -> int:
        return int(self.until(r"admin on http://127\.0\.0\.1:(\d+)")[1])

    def get(self, path: str = "/") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response.status, body

    def headers(self, path: str = "/") -> dict[str, str]:
        """Of the response, names in lower case."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("HEAD", path)
        found = {name.lower(): value for name, value in connection.getresponse().getheaders()}
        connection.close()
        return found

    def refuses(self) -> None:
        """Wait until nobody listens any more."""
        with suppress(ConnectionError):
            while True:
                socket.create_connection(("127.0.0.1", self.port)).close()


@contextmanager
def running(path: Path, *options: str, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    process = Process(path, *options, environment=environment)
    try:
        yield process
    finally:
        process.popen.terminate()
        process.popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.popen.communicate(timeout=PATIENCE)
        process.kill()
