"""AssemblyScript: asc, with its strings as they are (UTF-16), and bindings of our own, as no generator knows it."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import componentize, embed, node_tool, run, wasm_tools


def build(source: Source, component: Path) -> None:
    wasm_tools()
    core = source.scratch / "filter.wasm"
    # As an option of the configuration file the transform would not be found.
    run(
        "compiling with asc", node_tool("asc", source.folder), "--config", "asconfig.json",
        "--transform", "./bindings/transform.mjs", "-o", core,
        folder=source.folder,
    )  # fmt: skip
    componentize(embed(core, source.wit, "--encoding", "utf16"), component)


LANGUAGE = Language("AssemblyScript", "asconfig.json", "filter.ts", ("node_modules/",), build)
