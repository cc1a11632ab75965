"""Go: the ordinary compiler for wasip1, with an adapter that answers preview 1 inside of the component."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from toolchains.language import Language, Source
from toolchains.tools import FILTERS, MissingTool, componentize, embed, need, run, wasm_tools, wasm_tools_version

GO = "go1.26.8"
ADAPTER = FILTERS / "toolchains/go_adapter"
LINK = "-s -w -buildid= -checklinkname=0"
"""No symbols, nothing that changes; and the runtime of the bindings may take memory before Go's heap is there."""


def build(source: Source, component: Path) -> None:
    core, adapter = source.scratch / f"{source.name}.wasm", source.scratch / "adapter.wasm"
    environment = os.environ | {"GOOS": "wasip1", "GOARCH": "wasm", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
    run(
        go(), "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", f"-ldflags={LINK}", "-o", core, ".",
        folder=source.folder, environment=environment,
    )  # fmt: skip
    run(wasm_tools(), "parse", ADAPTER / "adapter.wat", "-o", adapter)
    run(wasm_tools(), "component", "embed", ADAPTER / "log.wit", adapter, "-o", adapter)
    componentize(embed(core), component, "--adapt", f"wasi_snapshot_preview1={adapter}")


@cache
def go() -> Path:
    found = need("go", f"install {GO}")
    version = run(found, "env", "GOVERSION").strip()
    if version != GO:
        raise MissingTool(f"{GO} is needed, here is {version}")
    return found


def versions() -> list[str]:
    return [wasm_tools_version(), run(go(), "env", "GOVERSION").strip()]


LANGUAGE = Language("go.mod", build, versions, ("../../toolchains/go_adapter/*",))
