"""Files below a directory, and none beside: what wasi:filesystem is made of.

Every step of a path is opened by itself, without following links; a link is then read and its target walked like any
other path. So neither `..` nor a link leads out, and nothing that is renamed meanwhile does (no check is apart from the
use of what it checked).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MOST_LINKS = 16
MOST_STEPS = 64
"""Directories deep: each is open while a path is walked."""
_LOOK = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Not blocking: a pipe that nobody writes to would hold the process up."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory of the host, what a guest calls it, and whether it may change what is in it."""

    path: str
    at: str
    write: bool


class Open:
    """An open file or directory. `write`: its content, or what is in it, may be changed."""

    __slots__ = ("descriptor", "is_directory", "write")

    def __init__(self, descriptor: int, *, write: bool) -> None:
        """Closes what is neither a regular file nor a directory. Raises PermissionError."""
        mode = os.fstat(descriptor).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            os.close(descriptor)
            raise PermissionError(errno.EPERM, "neither a file nor a directory")
        self.descriptor = descriptor
        self.is_directory = stat.S_ISDIR(mode)
        self.write = write

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def open_folder(folder: Folder) -> Open:
    return Open(os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), write=folder.write)


@contextmanager
def parent_of(base: Open, path: str, *, follow: bool) -> Iterator[tuple[int, str]]:
    """The directory that holds the end of a path, and its name there, "." for a directory that the path ends in.
    `follow`: a link at the end is followed too. Raises OSError."""
    if not base.is_directory:
        raise NotADirectoryError(errno.ENOTDIR, path)
    if path.startswith("/") or "\0" in path:
        raise PermissionError(errno.EPERM, path)
    walked = [os.dup(base.descriptor)]
    try:
        yield _walk(walked, path, follow=follow)
    finally:
        for descriptor in walked:
            os.close(descriptor)


def _walk(walked: list[int], path: str, *, follow: bool) -> tuple[int, str]:
    """`walked`: the directories from the base to where the walk is."""
    steps = [step for step in reversed(path.split("/")) if step not in ("", ".")]
    links = 0
    while steps:
        step = steps.pop()
        if step == "..":
            if len(walked) == 1:
                raise PermissionError(errno.EPERM, path)
            os.close(walked.pop())
            continue
        if not steps and not follow:
            return walked[-1], step
        target = _link(walked[-1], step)
        if target is not None:
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, path)
            if target.startswith("/"):
                raise PermissionError(errno.EPERM, path)
            steps += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        elif not steps:
            return walked[-1], step
        elif len(walked) > MOST_STEPS:
            raise OSError(errno.ENAMETOOLONG, path)
        else:
            walked.append(os.open(step, _LOOK | os.O_DIRECTORY, dir_fd=walked[-1]))
    return walked[-1], "."


def _link(directory: int, name: str) -> str | None:
    """Where a link leads, None for what is none."""
    try:
        return os.readlink(name, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT):
            return None
        raise


def open_at(base: Open, path: str, flags: int, *, follow: bool, write: bool) -> Open:
    """Opens with these flags of os.open. Raises OSError."""
    with parent_of(base, path, follow=follow) as (directory, name):
        return Open(os.open(name, _LOOK | flags, 0o644, dir_fd=directory), write=write and base.write)
