"""Where log lines go: a file or standard output, written in batches by a thread of its own.

A full disk or a reader that has stopped reading must not hold up a single exchange, so the event loop only
ever appends to a list. Lines that are too far ahead of the writer are dropped, and counted.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

from proxy.telemetry.shared import write_together

logger = logging.getLogger(__name__)

BATCH = 64 * 1024
"""Characters after which a batch is written without waiting for the timer."""

BACKLOG = 8 * 1024 * 1024
"""Bytes handed to the writer and not written yet, beyond which lines are dropped."""

INTERVAL = 0.5
"""Seconds a line waits at most."""

Later = Callable[[float, Callable[[], None]], object]
"""Calls the function after that many seconds on the caller's thread: the event loop's `call_later`."""


class _Order(Enum):
    REOPEN = auto()
    STOP = auto()


class Sink:
    """Lines to a file (created with mode 0640, appended to), or to standard output where `path` is None.

    All methods are to be called from one thread. To be made after a fork, for it starts a thread.
    Raises OSError when the file cannot be opened.
    """

    def __init__(self, path: Path | None, later: Later) -> None:
        self._path = path
        self._later = later
        self._lines: list[str] = []
        self._size = 0
        self._timer_runs = False
        self._orders: SimpleQueue[bytes | _Order] = SimpleQueue()
        self._handed = 0
        self._written = 0
        self._name = path or "stdout"
        self._dropping = 0
        """Lines, since it began."""
        self.dropped = 0
        """Lines dropped because the writer was too far behind."""
        self._fd = _open(path)
        self._thread = Thread(target=self._write, name="access-log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Take a line, newline included. Never blocks."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= BATCH:
            self.flush()
        elif not self._timer_runs:
            self._timer_runs = True
            self._later(INTERVAL, self._on_timer)

    def flush(self) -> None:
        """Hand what there is to the writer."""
        lines, self._lines, self._size = self._lines, [], 0
        if not lines:
            return
        if self._handed - self._written > BACKLOG:
            if not self._dropping:
                logger.error("access log %s: it is not written fast enough; lines are being dropped", self._name)
            self._dropping += len(lines)
            self.dropped += len(lines)
            return
        if self._dropping:
            logger.warning("access log %s: goes on, after %d lines that were dropped", self._name, self._dropping)
            self._dropping = 0
        batch = "".join(lines).encode()
        self._handed += len(batch)
        self._orders.put(batch)

    def reopen(self) -> None:
        """Go on in a new file of the same name, after the old one was renamed (logrotate)."""
        self.flush()
        self._orders.put(_Order.REOPEN)

    def close(self, timeout: float = 5.0) -> None:
        """Write what is left, waiting at most that many seconds for it."""
        self.flush()
        self._orders.put(_Order.STOP)
        self._thread.join(timeout)

    def _on_timer(self) -> None:
        self._timer_runs = False
        self.flush()

    def _write(self) -> None:
        failing = False
        while (order := self._orders.get()) is not _Order.STOP:
            try:
                if isinstance(order, bytes):
                    write_together(self._fd, order)
                else:
                    self._replace_file()
            except OSError as error:
                if not failing:  # once, not for every batch while the disk is full
                    logger.error("access log %s: %s; lines are being lost", self._name, error)
                failing = True
            else:
                failing = False
            if isinstance(order, bytes):
                self._written += len(order)
        if self._path is not None:
            os.close(self._fd)

    def _replace_file(self) -> None:
        if self._path is not None:
            new = _open(self._path)
            os.close(self._fd)
            self._fd = new


def _open(path: Path | None) -> int:
    if path is None:
        return sys.stdout.fileno()
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
