"""Python: componentize-py, which puts CPython and a snapshot of the imported modules into a component."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains.language import Language
from proxy.workshop.toolchains.tools import python_tool, run

REQUIREMENT = "componentize-py==0.25.1"


def build(folder: Path, scratch: Path, component: Path) -> None:
    """What the engine would ask WASI (files, the time, a seed for hashes) traps: the world has none of it."""
    run(
        "building with componentize-py", python_tool("componentize-py", REQUIREMENT), "--quiet",
        "--wit-path", "wit", "--world", "filter", "componentize", "--stub-wasi",
        "--python-path", ".", "--output", component, "app",
        folder=folder,
    )  # fmt: skip


LANGUAGE = Language("Python", "app.py", "app.py", ("__pycache__/",), build)
