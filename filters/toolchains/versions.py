"""Which tools there are."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains.tools import run, wasm_tools


def first_line(*command: str | Path) -> str:
    return run("asking for a version", *command, folder=Path()).splitlines()[0]


def wasm_tools_version() -> str:
    return first_line(wasm_tools(), "--version")
