from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, current_thread

import pytest

from proxy.telemetry import Sink, sink


class Clock:
    """Keeps what was scheduled until the test lets the time pass."""

    def __init__(self) -> None:
        self.due: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay: float, call: Callable[[], None]) -> None:
        self.due.append((delay, call))

    def pass_by(self) -> None:
        due, self.due = self.due, []
        for _, call in due:
            call()


def test_lines_wait_for_the_timer_which_runs_once(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "log"
    log = Sink(path, clock.later)

    log.write("one\n")
    log.write("two\n")
    assert [delay for delay, _ in clock.due] == [sink.INTERVAL]
    assert path.read_text() == ""

    clock.pass_by()
    log.write("three\n")
    assert len(clock.due) == 1
    log.close()
    assert path.read_text() == "one\ntwo\nthree\n"


def test_a_full_batch_does_not_wait(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "log"
    log = Sink(path, clock.later)

    log.write("x" * sink.BATCH + "\n")
    log.reopen()
    log.close()

    assert path.stat().st_size == sink.BATCH + 1


def test_reopen_after_rotation_goes_on_in_a_new_file(tmp_path: Path) -> None:
    path, rotated = tmp_path / "log", tmp_path / "log.1"
    log = Sink(path, Clock().later)

    log.write("before\n")
    path.rename(rotated)
    log.reopen()
    log.write("after\n")
    log.close()

    assert (rotated.read_text(), path.read_text()) == ("before\n", "after\n")


def test_a_file_that_cannot_be_opened_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Sink(tmp_path / "missing" / "log", Clock().later)


def test_a_file_that_cannot_be_reopened_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = Sink(folder / "log", Clock().later)
    folder.rename(tmp_path / "moved")

    log.reopen()
    log.write("still here\n")
    log.close()

    assert (tmp_path / "moved" / "log").read_text() == "still here\n"
    assert "No such file" in caplog.text


def test_a_full_disk_is_told_once_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    log = Sink(Path("/dev/full"), Clock().later)

    for _ in range(3):
        log.write("lost\n")
        log.flush()
    log.close()

    assert caplog.text.count("No space left on device") == 1


def test_lines_beyond_the_backlog_are_dropped_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has stopped: the writer hangs in its first write until `go`."""
    go, path = Event(), tmp_path / "log"
    write = os.write

    def hang(fd: int, data: bytes) -> int:
        if current_thread().name == "access-log":
            go.wait(10)
        return write(fd, data)

    monkeypatch.setattr(sink, "BACKLOG", 10)
    monkeypatch.setattr(os, "write", hang)
    log = Sink(path, Clock().later)
    for text in ("first batch\n", "second\n", "third\n", "fourth\n"):
        log.write(text)
        log.flush()
    dropped = log.dropped
    go.set()
    log.close()

    assert dropped == 3
    assert path.read_text() == "first batch\n"


def test_standard_output(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with os.fdopen(os.dup(1), "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        log = Sink(None, Clock().later)
        log.write("to stdout\n")
        log.reopen()
        log.write("and again\n")
        log.close()

    assert capfd.readouterr().out == "to stdout\nand again\n"
