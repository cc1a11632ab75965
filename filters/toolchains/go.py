"""Go, in one version."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains import MissingTool, Source, go
from toolchains.pinned import Pinned
from toolchains.versions import first_line, wasm_tools_version

GO = "go1.26.8"


def build(source: Source, component: Path) -> None:
    if version() != GO:
        raise MissingTool(f"{GO} is needed, here is {version()}: {go.INSTALL}")
    go.build(source, component)


def version() -> str:
    return first_line(go.go(), "env", "GOVERSION")


def versions() -> list[str]:
    return [wasm_tools_version(), version()]


LANGUAGE = Pinned(go.LANGUAGE.mark, build, versions, ("../../../proxy/workshop/toolchains/go_adapter/*",))
