"""Python: componentize-py, which puts CPython and a snapshot of the imported modules into a component."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import WORLD, python_tool, run

REQUIREMENT = "componentize-py==0.25.1"


def build(source: Source, component: Path) -> None:
    """What the engine would ask WASI (files, the time, a seed for hashes) traps, where the world has none of it."""
    stub = () if source.uses_wasi else ("--stub-wasi",)
    run(
        "building with componentize-py", componentize_py(), "--quiet",
        "--wit-path", source.wit, "--world", WORLD, "componentize", *stub,
        "--python-path", ".", "--output", component, "app",
        folder=source.folder,
    )  # fmt: skip


def componentize_py() -> Path:
    return python_tool("componentize-py", REQUIREMENT)


LANGUAGE = Language("Python", "app.py", "app.py", ("__pycache__/",), build)
