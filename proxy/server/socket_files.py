"""The files of Unix sockets: made, and taken away again when nobody listens there any more."""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress

logger = logging.getLogger(__name__)

Mark = tuple[int, int, int]
"""Device, inode and time of modification: inodes are used again."""


class SocketFiles:
    """Those that this program has made, so that it removes no other's: systemd's, or those of whoever has listened
    there since."""

    def __init__(self, text: str = "{}") -> None:
        """text: as `to_json` gave it to a successor."""
        self._marks: dict[str, Mark] = {path: tuple(mark) for path, mark in json.loads(text).items()}

    def to_json(self) -> str:
        return json.dumps(self._marks)

    def made(self, path: str) -> None:
        self._marks[path] = _mark(path)

    def permit(self, path: str, mode: int) -> None:
        """Give it these permissions, if it is ours."""
        with suppress(OSError):
            if self._marks.get(path) == _mark(path):
                os.chmod(path, mode)

    def remove(self, path: str) -> None:
        """Take it away, if it is ours."""
        mark = self._marks.pop(path, None)
        try:
            if mark is not None and mark == _mark(path):
                os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            logger.warning("the socket %s could not be removed: %s", path, error.strerror)

    def remove_all(self) -> None:
        for path in list(self._marks):
            self.remove(path)


def _mark(path: str) -> Mark:
    status = os.lstat(path)
    return status.st_dev, status.st_ino, status.st_mtime_ns
