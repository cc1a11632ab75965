"""JavaScript: componentize-qjs, which puts the QuickJS engine and a snapshot of the loaded modules into a component."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains.language import Language
from proxy.workshop.toolchains.tools import node_tool, run


def build(folder: Path, scratch: Path, component: Path) -> None:
    """What the engine would ask WASI (a seed for `Math.random`, the time) traps: the world has none of it."""
    run(
        "building with componentize-qjs", node_tool("componentize-qjs", folder), "--sync", "--stub-wasi",
        "--wit", "wit", "--world", "filter", "--js", "app.js", "--output", component,
        folder=folder,
    )  # fmt: skip


LANGUAGE = Language("JavaScript", "app.js", "app.js", ("node_modules/",), build)
