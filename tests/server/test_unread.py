"""A proxy whose standard output and error nobody reads goes on serving, and says afterwards what was lost."""

from __future__ import annotations

import fcntl
import os
import re
import signal
from pathlib import Path

from tests.server.process import Process, config, respond, running
from tests.server.test_workers import ADMIN, pids, until

FAILURES = 100


def shrink(process: Process) -> None:
    """As small as a pipe can be."""
    for each in (process.popen.stdout, process.popen.stderr):
        assert each is not None
        fcntl.fcntl(each, fcntl.F_SETPIPE_SZ, 4096)


def test_nobody_reads(tmp_path: Path) -> None:
    log = {"access_log": {"to": "stdout"}}
    path = config(tmp_path, respond("one"), workers=2, **ADMIN, **log)
    with running(path) as process:
        assert process.admin_port
        shrink(process)
        path.write_text("version: 1\nroute: []\n")
        for _ in range(FAILURES):
            assert process.admin("POST", "/reload")[0] == 422  # and told on standard error
        for number in range(200):
            assert process.get(f"/{number}/{'x' * 1000}") == (200, b"one")
        victim = min(pids(process))
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(pids(process) - {victim}) == 2)
        config(tmp_path, respond("two"), workers=2, **ADMIN, **log)
        assert process.admin("POST", "/reload")[0] == 200
        assert process.get() == (200, b"two")
        said = read(process)
        path.write_text("version: 1\nroute: []\n")
        assert process.admin("POST", "/reload")[0] == 422
        said += read(process)
        told = re.findall(r"(\d+) lines of this log were dropped: nobody read them", said)
        assert sum(map(int, told)) > FAILURES // 2


def read(process: Process) -> str:
    """What there is on standard error."""
    assert process.popen.stderr is not None
    fd = process.popen.stderr.fileno()
    os.set_blocking(fd, False)
    return os.read(fd, 1 << 20).decode()
