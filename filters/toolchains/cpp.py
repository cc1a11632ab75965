"""C++: clang 14, with Debian's libc++ and wasi-libc."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains import Source, cpp
from proxy.workshop.toolchains.tools import need
from toolchains.pinned import Pinned
from toolchains.versions import first_line, wasm_tools_version

PACKAGES = "clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 libc++-14-dev-wasm32 libc++abi-14-dev-wasm32"


def build(source: Source, component: Path) -> None:
    cpp.build_with(clang(), source, component, "-Werror")


def clang() -> Path:
    return need("clang++-14", f"apt-get install {PACKAGES}")


def versions() -> list[str]:
    return [wasm_tools_version(), first_line(clang(), "--version")]


LANGUAGE = Pinned(cpp.LANGUAGE.mark, build, versions)
