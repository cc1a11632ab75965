"""What the build of the filters here has to know of a language besides its recipe."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from proxy.workshop.toolchains import Source


@dataclass(frozen=True)
class Pinned:
    """mark: a file that a folder of this language has. build: makes the component of a source. versions: of the tools
    that decide the bytes. shares: files besides its folder that a guest is made of, as patterns from the folder.
    reproducible: whether the same source always gives the same bytes."""

    mark: str
    build: Callable[[Source, Path], None]
    versions: Callable[[], list[str]]
    shares: tuple[str, ...] = ()
    reproducible: bool = True
