"""Go: the ordinary compiler for wasip1, with an adapter that answers preview 1 inside of the component."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from proxy.workshop.toolchains.language import Language
from proxy.workshop.toolchains.tools import MissingTool, asked, componentize, embed, need, run, wasm_tools

OLDEST = (1, 25)
INSTALL = "https://go.dev/dl"
LINK = "-s -w -buildid= -checklinkname=0"
"""No symbols; and the runtime of the bindings may take memory before Go's heap is there."""


def build(folder: Path, scratch: Path, component: Path) -> None:
    tools, core, adapter = wasm_tools(), scratch / "filter.wasm", scratch / "adapter.wasm"
    environment = {"GOOS": "wasip1", "GOARCH": "wasm", "GOWORK": "off"}
    run(
        "compiling with go", go(), "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", f"-ldflags={LINK}",
        "-o", core, ".",
        folder=folder, environment=environment,
    )  # fmt: skip
    source = files("proxy.workshop.toolchains") / "go_adapter"
    for name in ("adapter.wat", "log.wit"):
        (scratch / name).write_bytes((source / name).read_bytes())
    run("making the adapter", tools, "parse", "adapter.wat", "-o", adapter, folder=scratch)
    run("making the adapter", tools, "component", "embed", "log.wit", adapter, "-o", adapter, folder=scratch)
    componentize(embed(core, folder), component, "--adapt", f"wasi_snapshot_preview1={adapter}")


def go() -> Path:
    """Raises MissingTool."""
    found = need("go", f"install Go {OLDEST[0]}.{OLDEST[1]} or newer ({INSTALL})")
    version = asked(found, "env", "GOVERSION") or ""
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise MissingTool(f"Go {OLDEST[0]}.{OLDEST[1]} or newer is needed, {found} is {version}: {INSTALL}")
    return found


LANGUAGE = Language("Go", "go.mod", "export_sluice_filter_on_request/on_request.go", (), build)
