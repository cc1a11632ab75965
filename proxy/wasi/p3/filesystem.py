"""wasi:filesystem 0.3: the directories that were granted, and none else. What it does is what 0.2 does, told in other
words and through streams."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import Any

from proxy.component import HostFuture, HostInterface, HostStream, Source
from proxy.sandbox import Trap
from proxy.wasi import filesystem
from proxy.wasi.files import Folder, Open
from proxy.wasi.filesystem import CODES, MOST_READ, Entries
from proxy.wasi.p3.streams import GivenStream, Outcome, Taken, Whole, ready, running

Result = tuple[str, Any]
OK: Result = ("ok", None)
READ_ONLY: Result = ("err", ("read-only", None))

_RENAMED = {
    "advise", "sync-data", "get-flags", "set-size", "set-times", "sync", "create-directory-at", "set-times-at",
    "link-at", "open-at", "readlink-at", "remove-directory-at", "rename-at", "symlink-at", "unlink-file-at",
    "metadata-hash", "metadata-hash-at",
}  # fmt: skip
"""Methods that differ from those of 0.2 in nothing but how errors are written."""


def interfaces(folders: Sequence[Folder] = ()) -> dict[str, HostInterface]:
    """With folders, instances have a `filesystem.Holder` as their data."""
    before = filesystem.interfaces(folders)
    methods = before["filesystem/types"].functions
    told = {name: _told(methods[f"[method]descriptor.{name}"]) for name in _RENAMED}
    told["get-type"] = _told(methods["[method]descriptor.get-type"], _type)
    for name in ("stat", "stat-at"):
        told[name] = _told(methods[f"[method]descriptor.{name}"], _stat)
    return {
        "filesystem/preopens": before["filesystem/preopens"],
        "filesystem/types": HostInterface(
            {
                **{f"[method]descriptor.{name}": function for name, function in told.items()},
                "[method]descriptor.is-same-object": methods["[method]descriptor.is-same-object"],
                "[method]descriptor.read-via-stream": _read,
                "[method]descriptor.write-via-stream": _write,
                "[method]descriptor.append-via-stream": lambda data, file, stream: _write(data, file, stream, None),
                "[method]descriptor.read-directory": _entries,
            },
            resources={"descriptor": before["filesystem/types"].resources["descriptor"]},
        ),
    }


def _type(kind: str) -> tuple[str, None]:
    return ("other" if kind == "unknown" else kind), None


def _stat(found: dict[str, Any]) -> dict[str, Any]:
    return found | {"type": _type(found["type"])}


def _same(value: Any) -> Any:
    return value


def _told(function: Callable[..., Any], ok: Callable[[Any], Any] = _same) -> Callable[..., Result]:
    def told(data: Any, *arguments: Any) -> Result:
        case, value = function(data, *arguments)
        return ("ok", ok(value)) if case == "ok" else ("err", (value, None))

    return told


def _failed(error: OSError) -> Result:
    return "err", (CODES.get(error.errno or 0, "io"), None)


class _Contents(Source):
    """Reads a file from an offset. The descriptor is its own: the guest may close that it has."""

    def __init__(self, file: Open, offset: int) -> None:
        self._descriptor = os.dup(file.descriptor)
        self._offset = offset
        self.outcome = Outcome()

    async def read(self) -> bytes:
        await asyncio.sleep(0)  # a file is always there: others have their turn between two pieces
        try:
            data = os.pread(self._descriptor, MOST_READ, self._offset)
        except OSError as error:
            self.outcome.tell(_failed(error))
            return b""
        self._offset += len(data)
        if not data:
            self.outcome.tell(OK)
        return data

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        self.outcome.tell(OK)


def _read(data: Any, file: Open, offset: int) -> tuple[HostStream, HostFuture]:
    contents = _Contents(file, offset)
    return HostStream(contents), HostFuture(contents.outcome)


def _write(data: Any, file: Open, stream: GivenStream, offset: int | None = 0) -> HostFuture:
    if not file.write:
        Taken(stream).close()
        return ready(READ_ONLY)
    return running(_written(os.dup(file.descriptor), Taken(stream), offset))


async def _written(descriptor: int, stream: Taken, offset: int | None) -> Result:
    try:
        while content := await stream.read():
            start = os.fstat(descriptor).st_size if offset is None else offset
            written = 0
            while written < len(content):
                written += os.pwrite(descriptor, content[written:], start + written)
            offset = None if offset is None else offset + written
    except OSError as error:
        return _failed(error)
    except (Trap, RuntimeError):
        return "err", ("interrupted", None)  # the guest is no more
    finally:
        stream.close()
        os.close(descriptor)
    return OK


class _Listed(Source):
    def __init__(self, entries: Entries) -> None:
        self._entries = entries

    async def read(self) -> list[dict[str, Any]]:
        found = []
        while (entry := self._entries.next()) is not None:
            found.append({"type": _type(entry["type"]), "name": entry["name"]})
        return found

    def close(self) -> None:
        """They have been read already."""


def _entries(data: Any, file: Open) -> tuple[HostStream, HostFuture]:
    try:
        return HostStream(_Listed(Entries(file))), ready(OK)
    except OSError as error:
        return HostStream(Whole()), ready(_failed(error))
