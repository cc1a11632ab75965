"""Go: the ordinary compiler for wasip1, with an adapter that answers preview 1 inside of the component."""

from __future__ import annotations

import re
from pathlib import Path

from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import MissingTool, asked, componentize, embed, need, run, wasm_tools

OLDEST = (1, 25)
INSTALL = "https://go.dev/dl"
ADAPTER = Path(__file__).with_name("go_adapter")
LINK = "-s -w -buildid= -checklinkname=0"
"""No symbols; and the runtime of the bindings may take memory before Go's heap is there."""


def build(source: Source, component: Path) -> None:
    tools, core, adapter = wasm_tools(), source.scratch / "filter.wasm", source.scratch / "adapter.wasm"
    environment = {"GOOS": "wasip1", "GOARCH": "wasm", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    run(
        "compiling with go", go(), "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", f"-ldflags={LINK}",
        "-o", core, ".",
        folder=source.folder, environment=environment,
    )  # fmt: skip
    run("making the adapter", tools, "parse", ADAPTER / "adapter.wat", "-o", adapter, folder=source.scratch)
    command = (tools, "component", "embed", ADAPTER / "log.wit", adapter, "-o", adapter)
    run("making the adapter", *command, folder=source.scratch)
    componentize(embed(core, source.wit), component, "--adapt", f"wasi_snapshot_preview1={adapter}")


def go() -> Path:
    """Raises MissingTool."""
    found = need("go", f"install Go {OLDEST[0]}.{OLDEST[1]} or newer ({INSTALL})")
    version = asked(found, "env", "GOVERSION") or ""
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise MissingTool(f"Go {OLDEST[0]}.{OLDEST[1]} or newer is needed, {found} is {version}: {INSTALL}")
    return found


LANGUAGE = Language("Go", "go.mod", "export_sluice_filter_on_request/on_request.go", (), build)
