"""JavaScript: componentize-qjs, which puts the QuickJS engine and a snapshot of the loaded modules into a component."""

from __future__ import annotations

from pathlib import Path

from toolchains.assemblyscript import SHARES
from toolchains.language import Language, Source
from toolchains.tools import WIT, WORLD, node_tool, run


def build(source: Source, component: Path) -> None:
    """What the engine would ask WASI (a seed for `Math.random`, the time) traps: the world has none of it."""
    run(
        node_tool("componentize-qjs", source.folder), "--sync", "--stub-wasi",
        "--wit", WIT, "--world", WORLD, "--js", "app.js", "--output", component,
        folder=source.folder,
    )  # fmt: skip


LANGUAGE = Language("app.js", build, list, SHARES, reproducible=False)
"""The snapshot has random numbers in it."""
