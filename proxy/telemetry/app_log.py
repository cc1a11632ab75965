"""The proxy's own log on standard error: the standard library's `logging` under the name `proxy`.

Guests' lines go there too, under `proxy.guest`, each with its filter's name and at a bounded rate.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import UnsupportedOperation
from typing import Literal, TextIO

from proxy.telemetry.quoting import quoted
from proxy.telemetry.shared import AT_ONCE, pieces, put

GUEST_LOGGER = "proxy.guest"

BURST = 100
"""Lines a filter may log at once, and"""

RATE = 20.0
"""lines per second that it gets back."""

LONGEST = 4096
"""Characters kept of a guest's line."""

CUT = " … cut off\n".encode()
"""The end of a line that is longer than what a pipe takes as one."""

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
"""By the cases of `sluice:filter/log.level`."""


def configure(format: Literal["text", "json"] = "text", level: int = logging.INFO, stream: TextIO = sys.stderr) -> None:
    """Send the log of every `proxy` module to the stream, and what the event loop has to say, one line for each record;
    repeated calls replace it."""
    handler = _handler(stream, logging.getLogger("proxy").handlers)
    handler.setFormatter(_JsonFormatter() if format == "json" else _TextFormatter())
    for name, least in (("proxy", level), ("asyncio", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers = [handler]
        log.setLevel(least)
        log.propagate = False


def say(text: str, stream: TextIO = sys.stderr) -> None:
    """A line for who has started the program; nothing when that would have to wait."""
    put(stream.fileno(), f"{text}\n".encode())


def _handler(stream: TextIO, before: list[logging.Handler]) -> logging.Handler:
    try:
        fd = stream.fileno()
    except UnsupportedOperation:
        return logging.StreamHandler(stream)
    # The one there was goes on, with what it has dropped.
    return next((each for each in before if isinstance(each, Unwaiting) and each.fd == fd), Unwaiting(fd))


class Unwaiting(logging.Handler):
    """Writes to a file descriptor, and never waits: a process that serves must not stop for want of a reader. Lines for
    which there is no room are dropped, and their number is told as soon as there is."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self.fd = fd
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            lines = self._encoded(record)
            if self._dropped and put(self.fd, self._encoded(_dropped(self._dropped))):
                self._dropped = 0
            for piece in pieces(lines):
                if self._dropped or not put(self.fd, _cut(piece)):
                    self._dropped += piece.count(b"\n")
        except Exception:
            self.handleError(record)

    def _encoded(self, record: logging.LogRecord) -> bytes:
        return f"{self.format(record)}\n".encode("utf-8", "backslashreplace")


def _dropped(number: int) -> logging.LogRecord:
    text = "%d lines of this log were dropped: nobody read them"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, (number,), None)


def _cut(piece: bytes) -> bytes:
    """To what can be written as one."""
    return piece if len(piece) <= AT_ONCE else piece[: AT_ONCE - len(CUT)] + CUT


class GuestLog:
    """The log of one filter: `sluice:filter/log`, and what a guest prints."""

    def __init__(self, filter: str, now: Callable[[], float] = time.monotonic) -> None:
        self._extra = {"filter": filter}
        self._now = now
        self._bucket = Bucket(float(BURST), now())
        self._logger = logging.getLogger(GUEST_LOGGER)
        self._dropped = 0

    def enabled(self, level: str) -> bool:
        """Would a line of that level (a case of `sluice:filter/log.level`) be written at all?"""
        return self._logger.isEnabledFor(LEVELS[level])

    def log(self, level: str, message: str, request_id: str | None = None) -> None:
        """Write the line, unless its level is off or this filter has logged too much lately."""
        if not self.enabled(level):
            return
        if not self._bucket.take(self._now()):
            self._dropped += 1
            return
        if self._dropped:
            self._logger.warning("%d lines dropped, this filter logs too much", self._dropped, extra=self._extra)
            self._dropped = 0
        if len(message) > LONGEST:
            message = f"{message[:LONGEST]}… ({len(message)} characters)"
        self._logger.log(LEVELS[level], "%s", message, extra={**self._extra, "request_id": request_id})


@dataclass(slots=True)
class Bucket:
    """A token bucket of BURST tokens, refilled at RATE per second."""

    tokens: float
    filled: float

    def take(self, now: float) -> bool:
        """Take one token if there is one."""
        self.tokens = min(float(BURST), self.tokens + (now - self.filled) * RATE)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def _time_of(record: logging.LogRecord) -> str:
    second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{second}.{int(record.msecs):03d}Z"


class _TextFormatter(logging.Formatter):
    """`time LEVEL logger: message`. Messages lose their control characters, and a traceback is indented, so
    that nothing a client or a guest sends looks like a line of ours."""

    def format(self, record: logging.LogRecord) -> str:
        filter = getattr(record, "filter", None)
        name = record.name if filter is None else f"{record.name}[{filter}]"
        line = f"{_time_of(record)} {record.levelname} {name}: {_printable(record.getMessage())}"
        request_id = getattr(record, "request_id", None)
        if request_id is not None and request_id not in line:
            line += f"; request {request_id}"
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            line = "\n".join([line, *(f"    {_printable(part)}" for part in trace)])
        return line


class _JsonFormatter(logging.Formatter):
    """time, level, logger, message; filter, request_id and traceback where there are."""

    def format(self, record: logging.LogRecord) -> str:
        parts = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        filter = getattr(record, "filter", None)
        if filter is not None:
            parts["filter"] = filter
        request_id = getattr(record, "request_id", None)
        if request_id is not None:
            parts["request_id"] = request_id
        if record.exc_info:
            parts["traceback"] = self.formatException(record.exc_info)
        return "{" + ",".join(f'"{name}":{quoted(value)}' for name, value in parts.items()) + "}"


def _printable(text: str) -> str:
    """The text on one line: what is not printable comes out escaped."""
    return (
        text
        if text.isprintable()
        else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    )
