"""JavaScript: componentize-qjs, which puts the QuickJS engine and a snapshot of the loaded modules into a component."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import WORLD, node_tool, run


def build(source: Source, component: Path) -> None:
    """What the engine would ask WASI (a seed for `Math.random`, the time) traps, where the world has none of it. A
    world of WASI has asynchronous functions."""
    options = () if source.uses_wasi else ("--sync", "--stub-wasi")
    run(
        "building with componentize-qjs", node_tool("componentize-qjs", source.folder), *options,
        "--wit", source.wit, "--world", WORLD, "--js", "app.js", "--output", component,
        folder=source.folder,
    )  # fmt: skip


LANGUAGE = Language("JavaScript", "app.js", "app.js", ("node_modules/",), build)
