"""Python: componentize-py, which puts CPython and a snapshot of the imported modules into a component."""

from __future__ import annotations

from pathlib import Path

from toolchains.language import Language, Source
from toolchains.tools import WIT, WORLD, first_line, python_tool, run

VERSION = "0.25.1"


def build(source: Source, component: Path) -> None:
    """What the engine would ask WASI (files, the time, a seed for hashes) traps: the world has none of it."""
    run(
        componentize_py(), "--quiet", "--wit-path", WIT, "--world", WORLD, "componentize", "--stub-wasi",
        "--python-path", source.folder, "--output", component, "app",
    )  # fmt: skip


def componentize_py() -> Path:
    return python_tool("componentize-py", f"componentize-py=={VERSION}")


def versions() -> list[str]:
    return [first_line(componentize_py(), "--version")]


LANGUAGE = Language("app.py", build, versions, reproducible=False)
"""The snapshot has a random seed for hashes in it, and what is ordered by them."""
