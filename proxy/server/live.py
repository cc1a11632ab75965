"""A configuration that is read anew when its file, or one of its components, has changed: for `sluice inspect`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from time import time

from proxy.chain import Entry
from proxy.config.errors import ConfigErrors
from proxy.config.loader import ConfigFile, load
from proxy.exchange import Request, Response
from proxy.sandbox import Engine
from proxy.server.assemble import Lasting, assemble
from proxy.telemetry import Metrics

logger = logging.getLogger(__name__)

Mark = dict[Path, tuple[int, int]]
"""When each file was changed, in nanoseconds, and its size."""


class Live:
    """Answers requests with the configuration as it is in the file; a wrong one leaves the one before in place.

    Caches, in memory alone, outlive a change. Raises ConfigErrors when the first one is wrong already.
    """

    def __init__(self, file: ConfigFile, engine: Engine, clock: Callable[[], float] = time) -> None:
        self._lasting = Lasting(engine, Metrics(), clock)
        self._path = file.path
        self._mark = _mark(file)
        self._assembly = assemble(file, self._lasting)
        self._entry = Entry(self._assembly.routes)
        self._wrong: list[str] = []

    async def __call__(self, request: Request) -> Response:
        if _now(self._mark) != self._mark:
            self._read()
        return await self._entry(request)

    def wrong(self) -> list[str]:
        """Why the file as it is now is not in effect, one mistake each."""
        return list(self._wrong)

    def close(self) -> None:
        self._assembly.close()

    def _read(self) -> None:
        self._mark = _now(self._mark)  # a file that is wrong is tried again when it has changed again
        try:
            file = load(self._path)
            self._mark = _mark(file)
            new = assemble(file, self._lasting, previous=self._assembly)
        except ConfigErrors as errors:
            self._wrong = [f"not in effect: {error}" for error in errors.errors]
            logger.error("the change is not in effect:\n%s", errors)
            return
        self._wrong = []
        old, self._assembly = self._assembly, new
        self._entry.follow(new.routes)
        old.retire(new)
        self._lasting.forget(new)
        logger.info("%s is read anew", self._path)


def _mark(file: ConfigFile) -> Mark:
    return _now(dict.fromkeys((file.path, *(declared.component for declared in file.config.filters.values())), (0, 0)))


def _now(mark: Mark) -> Mark:
    return {path: _stat(path) for path in mark}


def _stat(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return status.st_mtime_ns, status.st_size
