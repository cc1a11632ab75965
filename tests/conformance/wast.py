"""A .wast script as the commands that `wasm-tools json-from-wast` makes of it, binaries beside them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WASM_TOOLS = str(Path(sys.executable).parent / "wasm-tools")


class ScriptError(Exception):
    """The script cannot be read."""


@dataclass(frozen=True)
class Command:
    """`type` as in the JSON: module, module_definition, assert_return, …; `fields` is the rest of it."""

    line: int
    type: str
    fields: Mapping[str, Any]
    directory: Path

    def binary(self) -> bytes:
        """The component or core module that the command is about. Raises ScriptError for text that does not parse."""
        name = self.fields.get("binary_filename") or self.fields["filename"]
        file = self.directory / str(name)
        return _run("parse", str(file)) if file.suffix == ".wat" else file.read_bytes()


def commands(script: Path, directory: Path) -> list[Command]:
    """The commands of a script; their binaries go into `directory`."""
    out = directory / "script.json"
    arguments = "json-from-wast", str(script), "-o", str(out), "--wasm-dir", str(directory)
    try:
        _run(*arguments)
    except ScriptError:  # it may be written in an older syntax
        _run(*arguments, WAST_STRICT_COMPONENT_INDICES="0")
    return [_command(entry, directory) for entry in json.loads(out.read_text())["commands"]]


def _command(entry: dict[str, Any], directory: Path) -> Command:
    return Command(entry.pop("line"), entry.pop("type"), entry, directory)


def _run(*arguments: str, **environment: str) -> bytes:
    done = subprocess.run([WASM_TOOLS, *arguments], capture_output=True, check=False, env=os.environ | environment)
    if done.returncode:
        raise ScriptError(done.stderr.decode(errors="replace").strip())
    return done.stdout
