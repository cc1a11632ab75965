"""What is known of a language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Source:
    """folder: with the source of one component. scratch: a folder for what comes up while building it. wit: the folder
    of its WIT package, which has a world `filter`. uses_wasi: whether that world is one of WASI, which then has to
    stay."""

    folder: Path
    scratch: Path
    wit: Path
    uses_wasi: bool = False


@dataclass(frozen=True, slots=True)
class Language:
    """title: its name. mark: a pattern of a file that a folder with a filter in it has. code: where the code of the
    template is. leaves: what building leaves in the folder besides the component, for .gitignore. build: makes a
    component; raises MissingTool and BuildFailed."""

    title: str
    mark: str
    code: str
    leaves: tuple[str, ...]
    build: Callable[[Source, Path], None]
