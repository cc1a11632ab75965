"""What `sluice run --watch` looks at: whether the files of the configuration are others than those in effect.

They are asked for their state again and again: they are few, it needs no thread (the supervisor forks), and it works on
whatever file system they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from proxy.config.loader import ConfigFile

INTERVAL = 0.01
"""Seconds between two looks. What has changed has to look the same twice: it may be half written."""

Stamp = tuple[int, int, int] | None
"""What changes with a file: its inode, size and time of change in nanoseconds. None: there is none."""

Stamps = Mapping[Path, Stamp]


class Changes:
    """A decision from one look to the next. files: those that are in effect."""

    def __init__(self, files: Stamps) -> None:
        self._taken = self._last = files

    def settled(self, files: Stamps) -> bool:
        """Whether these are to be taken over; if so, it is said once."""
        same, self._last = files == self._last, files
        if not same or files == self._taken:
            return False
        self._taken = files
        return True


def stamps(file: ConfigFile) -> Stamps:
    """Of all files that a configuration was made from: itself, components, certificates and keys."""
    return {path: _stamp(path) for path in (file.path, *_named(file))}


def _named(file: ConfigFile) -> list[Path]:
    config = file.config
    found: list[Path | None] = [declared.component for declared in config.filters.values()]
    for listener in config.listeners:
        for each in listener.tls.certificates if listener.tls is not None else ():
            found += [each.certificate, each.key]
    for upstream in config.upstreams.values():
        if upstream.tls is not None:
            found += [upstream.tls.ca, upstream.tls.certificate, upstream.tls.key]
    return [path for path in found if path is not None]


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
