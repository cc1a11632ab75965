"""C: clang, with wasi-libc; of that only the allocator and what imports nothing."""

from __future__ import annotations

from pathlib import Path

from toolchains.language import Language, Source
from toolchains.tools import componentize, first_line, need, run, wasm_tools_version

PACKAGES = "clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32"


def build(source: Source, component: Path) -> None:
    core = source.scratch / f"{source.name}.wasm"
    sources = sorted(path.relative_to(source.folder) for path in source.folder.rglob("*.[co]"))
    link = ("--no-entry", "--strip-debug", "--stack-first", "-zstack-size=16384")
    run(
        clang(), "--target=wasm32-wasi", "-Os", "-Wall", "-Wextra", "-Werror", "-nostartfiles",
        *(f"-Wl,{flag}" for flag in link), "-o", core, *sources,
        folder=source.folder,
    )  # fmt: skip
    componentize(core, component)


def clang() -> Path:
    return need("clang-14", f"apt-get install {PACKAGES}")


def versions() -> list[str]:
    return [wasm_tools_version(), first_line(clang(), "--version")]


LANGUAGE = Language("*.c", build, versions)
