"""Workers that end as soon as they have begun: the others serve, and it is not tried again without a pause."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

from tests.server.process import Process, config, respond, running
from tests.server.test_workers import ADMIN, pids, until


def pauses(process: Process, attempts: int) -> list[float]:
    """Seconds until the next one, as the log says; and that it says each time why."""
    found = []
    for _ in range(attempts):
        line = process.until(r"worker 0.*ended|worker 0: (.*)")
        if line[1]:
            assert "Not a directory" in line[1]
            line = process.until(r"worker 0.*ended")
        pause = re.search(r"another begins in ([0-9.]+) s", line.string)
        found.append(float(pause[1]) if pause else 0.0)
    return found


def test_a_worker_that_cannot_begin_is_tried_ever_less_often_and_the_others_serve(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    path = config(tmp_path, respond("one"), workers=2, access_log={"to": str(logs / "access.log")}, **ADMIN)
    with running(path) as process:
        first = {worker["worker"]: worker["pid"] for worker in process.workers()}
        logs.rename(tmp_path / "moved")
        logs.touch()  # what was a directory
        os.kill(first[0], signal.SIGKILL)
        began = time.monotonic()
        assert pauses(process, 5) == [0.0, 0.1, 0.2, 0.4, 0.8]
        assert time.monotonic() - began > 0.7
        for _ in range(20):
            assert process.get() == (200, b"one")
        assert pids(process) == {first[1]}
        logs.unlink()
        (tmp_path / "moved").rename(logs)
        until(lambda: len(pids(process)) == 2)
