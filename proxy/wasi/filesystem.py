"""wasi:filesystem: the directories that were granted, and none else."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from proxy.component import HostInterface
from proxy.wasi.files import Folder, Open, open_at, open_folder, parent_of
from proxy.wasi.io import WRITABLE, StreamFailed

MOST_READ = 1 << 20
"""Bytes of a file that are read at once."""

Result = tuple[str, Any]
OK: Result = ("ok", None)
READ_ONLY: Result = ("err", "read-only")
NOT_PERMITTED: Result = ("err", "not-permitted")

CODES = {
    errno.EACCES: "access", errno.EPERM: "not-permitted", errno.ENOENT: "no-entry", errno.EEXIST: "exist",
    errno.ENOTDIR: "not-directory", errno.EISDIR: "is-directory", errno.ENOTEMPTY: "not-empty", errno.ELOOP: "loop",
    errno.ENAMETOOLONG: "name-too-long", errno.ENOSPC: "insufficient-space", errno.EDQUOT: "quota",
    errno.EROFS: "read-only", errno.EXDEV: "cross-device", errno.EBADF: "bad-descriptor", errno.EINVAL: "invalid",
    errno.EFBIG: "file-too-large", errno.EBUSY: "busy", errno.EMFILE: "insufficient-memory",
}  # fmt: skip
"""`error-code` by errno; others are `io`."""

TYPES = {
    stat.S_IFREG: "regular-file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symbolic-link", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket", stat.S_IFBLK: "block-device", stat.S_IFCHR: "character-device",
}  # fmt: skip


class Holder(Protocol):
    """An instance's data, where directories are granted: it closes what a guest leaves open."""

    def hold(self, opened: Open) -> None: ...


class FileInput:
    def __init__(self, file: Open, offset: int) -> None:
        self._file = file
        self._offset = offset

    def pending(self) -> asyncio.Future[Any] | None:
        return None

    def read(self, data: Any, most: int) -> bytes | None:
        try:
            found = os.pread(self._file.descriptor, min(most, MOST_READ), self._offset)
        except OSError as error:
            raise StreamFailed(str(error)) from error
        self._offset += len(found)
        return found or (b"" if most == 0 else None)

    def close(self) -> None:
        """The descriptor is closed by itself."""


class FileOutput:
    """offset: None appends."""

    def __init__(self, file: Open, offset: int | None) -> None:
        self._file = file
        self._offset = offset

    def pending(self) -> asyncio.Future[Any] | None:
        return None

    def room(self) -> int | None:
        return WRITABLE

    def write(self, data: Any, contents: bytes) -> None:
        try:
            offset = os.fstat(self._file.descriptor).st_size if self._offset is None else self._offset
            written = 0
            while written < len(contents):
                written += os.pwrite(self._file.descriptor, contents[written:], offset + written)
        except OSError as error:
            raise StreamFailed(str(error)) from error
        if self._offset is not None:
            self._offset += len(contents)

    def close(self, data: Any) -> None:
        """Nothing is held back."""


class Entries:
    def __init__(self, file: Open) -> None:
        with os.scandir(file.descriptor) as entries:
            self._entries = [(each.name, each.stat(follow_symlinks=False).st_mode) for each in entries]

    def next(self) -> dict[str, str] | None:
        if not self._entries:
            return None
        name, mode = self._entries.pop()
        return {"type": TYPES.get(stat.S_IFMT(mode), "unknown"), "name": name}


def interfaces(folders: Sequence[Folder] = ()) -> dict[str, HostInterface]:
    """With folders, instances have a Holder as their data."""

    def directories(data: Holder) -> list[tuple[Open, str]]:
        found = [(open_folder(folder), folder.at) for folder in folders]
        for opened, _ in found:
            data.hold(opened)
        return found

    return {
        "filesystem/preopens": HostInterface({"get-directories": directories}),
        "filesystem/types": HostInterface(
            {
                **{f"[method]descriptor.{name}": _guarded(function) for name, function in _METHODS.items()},
                "[method]descriptor.is-same-object": lambda data, one, other: (
                    _stat(one.descriptor) == _stat(other.descriptor)
                ),
                "[method]directory-entry-stream.read-directory-entry": lambda data, entries: ("ok", entries.next()),
                "filesystem-error-code": _error_code,
            },
            resources={"descriptor": lambda data, opened: opened.close(), "directory-entry-stream": _nothing},
        ),
    }


def _nothing(data: Any, resource: object) -> None:
    """Nothing is kept for it."""


def _error_code(data: Any, error: object) -> str | None:
    return CODES.get(error.errno or 0, "io") if isinstance(error, OSError) else None


def _guarded(function: Callable[..., Result]) -> Callable[..., Result]:
    def guarded(data: Any, *arguments: Any) -> Result:
        try:
            return function(data, *arguments)
        except OSError as error:
            return "err", CODES.get(error.errno or 0, "io")
        except UnicodeError:
            return "err", "illegal-byte-sequence"

    return guarded


# Contents.


def _read(data: Any, file: Open, length: int, offset: int) -> Result:
    found = os.pread(file.descriptor, min(length, MOST_READ), offset)
    return "ok", (found, len(found) < min(length, MOST_READ))


def _write(data: Any, file: Open, buffer: bytes, offset: int) -> Result:
    return ("ok", os.pwrite(file.descriptor, buffer, offset)) if file.write else READ_ONLY


def _write_stream(data: Any, file: Open, offset: int | None = None) -> Result:
    return ("ok", FileOutput(file, offset)) if file.write else READ_ONLY


def _set_size(data: Any, file: Open, size: int) -> Result:
    if not file.write:
        return READ_ONLY
    os.ftruncate(file.descriptor, size)
    return OK


def _sync(data: Any, file: Open) -> Result:
    if file.write:
        os.fsync(file.descriptor)
    return OK


# What is known of files.


def _flags(data: Any, file: Open) -> Result:
    write = "mutate-directory" if file.is_directory else "write"
    return "ok", frozenset(("read", write) if file.write else ("read",))


def _type(data: Any, file: Open) -> Result:
    return "ok", "directory" if file.is_directory else "regular-file"


def _told(found: os.stat_result) -> dict[str, Any]:
    def time(nanoseconds: int) -> dict[str, int]:
        return {"seconds": max(0, nanoseconds) // 10**9, "nanoseconds": max(0, nanoseconds) % 10**9}

    return {
        "type": TYPES.get(stat.S_IFMT(found.st_mode), "unknown"),
        "link-count": found.st_nlink,
        "size": found.st_size,
        "data-access-timestamp": time(found.st_atime_ns),
        "data-modification-timestamp": time(found.st_mtime_ns),
        "status-change-timestamp": time(found.st_ctime_ns),
    }


def _stat(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino


def _stat_at(base: Open, flags: frozenset[str], path: str) -> os.stat_result:
    with parent_of(base, path, follow="symlink-follow" in flags) as (directory, name):
        return os.stat(name, dir_fd=directory, follow_symlinks=False)


def _hash(found: os.stat_result) -> dict[str, int]:
    """Changes when the file does (WASI: need not be of the content)."""
    told = f"{found.st_dev} {found.st_ino} {found.st_size} {found.st_mtime_ns}"
    digest = hashlib.sha256(told.encode()).digest()
    return {"lower": int.from_bytes(digest[:8]), "upper": int.from_bytes(digest[8:16])}


def _read_link(data: Any, base: Open, path: str) -> Result:
    with parent_of(base, path, follow=False) as (directory, name):
        target = os.readlink(name, dir_fd=directory)
    return NOT_PERMITTED if target.startswith("/") else ("ok", target)


# Directories.


def _open_at(
    data: Holder, base: Open, path_flags: frozenset[str], path: str, open_flags: frozenset[str], flags: frozenset[str]
) -> Result:
    writes = bool(flags & {"write", "mutate-directory"}) or bool(open_flags & {"create", "truncate"})
    if writes and not base.write:
        return READ_ONLY
    asked = os.O_RDWR if "write" in flags else os.O_RDONLY
    for name, flag in _OPEN_FLAGS.items():
        asked |= flag if name in open_flags else 0
    opened = open_at(base, path, asked, follow="symlink-follow" in path_flags, write=writes)
    data.hold(opened)
    return "ok", opened


_OPEN_FLAGS = {"create": os.O_CREAT, "directory": os.O_DIRECTORY, "exclusive": os.O_EXCL, "truncate": os.O_TRUNC}


def _changing(change: Callable[[str, int], None]) -> Callable[..., Result]:
    """A change of what a path names: `change` is called with the name and the directory that holds it."""

    def changing(data: Any, base: Open, path: str) -> Result:
        if not base.write:
            return READ_ONLY
        with parent_of(base, path, follow=False) as (directory, name):
            change(name, directory)
        return OK

    return changing


def _rename(data: Any, base: Open, path: str, other: Open, new: str) -> Result:
    if not (base.write and other.write):
        return READ_ONLY
    with parent_of(base, path, follow=False) as old, parent_of(other, new, follow=False) as to:
        os.rename(old[1], to[1], src_dir_fd=old[0], dst_dir_fd=to[0])
    return OK


def _not_permitted(data: Any, *arguments: Any) -> Result:
    """Links that lead out, and times that are not so, are not made."""
    return NOT_PERMITTED


_METHODS: dict[str, Callable[..., Result]] = {
    "read-via-stream": lambda data, file, offset: ("ok", FileInput(file, offset)),
    "write-via-stream": _write_stream,
    "append-via-stream": _write_stream,
    "advise": lambda data, file, offset, length, advice: OK,
    "sync-data": _sync,
    "sync": _sync,
    "get-flags": _flags,
    "get-type": _type,
    "set-size": _set_size,
    "set-times": _not_permitted,
    "read": _read,
    "write": _write,
    "read-directory": lambda data, file: ("ok", Entries(file)),
    "create-directory-at": _changing(lambda name, directory: os.mkdir(name, 0o755, dir_fd=directory)),
    "stat": lambda data, file: ("ok", _told(os.fstat(file.descriptor))),
    "stat-at": lambda data, base, flags, path: ("ok", _told(_stat_at(base, flags, path))),
    "set-times-at": _not_permitted,
    "link-at": _not_permitted,
    "open-at": _open_at,
    "readlink-at": _read_link,
    "remove-directory-at": _changing(lambda name, directory: os.rmdir(name, dir_fd=directory)),
    "rename-at": _rename,
    "symlink-at": _not_permitted,
    "unlink-file-at": _changing(lambda name, directory: os.unlink(name, dir_fd=directory)),
    "metadata-hash": lambda data, file: ("ok", _hash(os.fstat(file.descriptor))),
    "metadata-hash-at": lambda data, base, flags, path: ("ok", _hash(_stat_at(base, flags, path))),
}
