"""AssemblyScript: asc, with its strings as they are (UTF-16), and bindings of our own, as no generator knows it."""

from __future__ import annotations

from pathlib import Path

from toolchains.language import Language, Source
from toolchains.tools import componentize, embed, node_tool, run, wasm_tools_version


def build(source: Source, component: Path) -> None:
    core = source.scratch / f"{source.name}.wasm"
    asc = node_tool("asc", source.folder)
    # An option of the configuration file would not find the transform.
    run(asc, "--config", "asconfig.json", "--transform", "./bindings/transform.mjs", "-o", core, folder=source.folder)
    componentize(embed(core, "--encoding", "utf16"), component)


def versions() -> list[str]:
    return [wasm_tools_version()]


SHARES = ("../package.json", "../package-lock.json")
"""The lock file fixes the version of asc."""

LANGUAGE = Language("asconfig.json", build, versions, SHARES)
