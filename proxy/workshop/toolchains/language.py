"""What is known of a language."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Language:
    """title: its name. mark: a pattern of a file that a folder with a filter in it has. source: where the code of the
    template is. leaves: what building leaves in the folder besides the component, for .gitignore. build: makes the
    component of a folder, called as build(folder, scratch, component) with a folder for what comes up meanwhile;
    raises MissingTool and BuildFailed."""

    title: str
    mark: str
    source: str
    leaves: tuple[str, ...]
    build: Callable[[Path, Path, Path], None]
