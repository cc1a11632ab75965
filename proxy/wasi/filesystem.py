"""wasi:filesystem without a file system: no directory is open from the start, so no descriptor ever exists."""

from __future__ import annotations

from typing import Any

from proxy.component import HostInterface

DESCRIPTOR = (
    "read-via-stream", "write-via-stream", "append-via-stream", "advise", "sync-data", "get-flags", "get-type",
    "set-size", "set-times", "read", "write", "read-directory", "sync", "create-directory-at", "stat", "stat-at",
    "set-times-at", "link-at", "open-at", "readlink-at", "remove-directory-at", "rename-at", "symlink-at",
    "unlink-file-at", "is-same-object", "metadata-hash", "metadata-hash-at",
)  # fmt: skip
"""The methods of a descriptor (wasi:filesystem/types)."""


class NoDescriptor(Exception):
    """Cannot happen: a guest has no descriptor to call this with."""


def interfaces() -> dict[str, HostInterface]:
    methods = {f"[method]descriptor.{name}": _unreachable for name in DESCRIPTOR}
    entries = "[method]directory-entry-stream.read-directory-entry"
    return {
        "filesystem/preopens": HostInterface({"get-directories": lambda data: []}),
        "filesystem/types": HostInterface(
            {**methods, entries: _unreachable, "filesystem-error-code": lambda data, error: None},
            resources={"descriptor": _never_made, "directory-entry-stream": _never_made},
        ),
    }


def _unreachable(data: Any, *args: Any) -> object:
    raise NoDescriptor


def _never_made(data: Any, resource: Any) -> None:
    """No guest has one."""
