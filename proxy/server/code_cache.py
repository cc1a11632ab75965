"""Where machine code of filters is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def code_cache() -> Path | None:
    """`$XDG_CACHE_HOME/sluicegate`, made if need be and readable by nobody else: what lies there is executed.
    None when it cannot be had, or is not ours alone; filters are then compiled anew."""
    base = os.environ.get("XDG_CACHE_HOME")
    directory = (Path(base) if base else Path.home() / ".cache") / "sluicegate"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = directory.stat()
    except OSError:
        return None
    return directory if status.st_uid == os.getuid() and not status.st_mode & 0o022 else None
