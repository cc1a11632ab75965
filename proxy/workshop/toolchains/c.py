"""C: clang with wasi-libc; of that the allocator and what needs no system."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import MissingTool, asked, componentize, run, wasm_tools

TARGET = "--target=wasm32-wasi"
LINK = ("--no-entry", "--strip-debug", "--stack-first", "-zstack-size=16384")


def build(source: Source, component: Path) -> None:
    wasm_tools()
    build_with(clang("clang", "stdlib.h", "lld wasi-libc libclang-rt-{version}-dev-wasm32"), source, component)


def build_with(compiler: Path, source: Source, component: Path, *flags: str) -> None:
    core = source.scratch / "filter.wasm"
    sources = sorted(path.relative_to(source.folder) for path in source.folder.rglob("*.[co]"))
    run(
        f"compiling with {compiler.name}", compiler, TARGET, "-Os", "-Wall", "-Wextra", *flags, "-nostartfiles",
        *(f"-Wl,{flag}" for flag in LINK), "-o", core, *sources,
        folder=source.folder,
    )  # fmt: skip
    componentize(core, component)


def clang(name: str, header: str, packages: str) -> Path:
    """The first clang that has all it takes for WebAssembly. `packages`: of Debian, what it needs besides itself."""
    lacking = ""
    for compiler in _compilers(name):
        lacks = _lacks(compiler, header)
        if lacks is None:
            return compiler
        lacking = lacking or f"{compiler} has no {lacks}"
    version = re.search(r"-(\d+) ", f"{lacking} ")
    debian = f"apt-get install {name.replace('++', '')} {packages}".replace(
        "{version}", version[1] if version else "14"
    )
    raise MissingTool(
        f"{name} for wasm32-wasi is needed{lacking and '; ' + lacking}: on Debian, {debian}; elsewhere, the WASI SDK "
        "(https://github.com/WebAssembly/wasi-sdk/releases), with its folder in WASI_SDK_PATH"
    )


def _compilers(name: str) -> Iterator[Path]:
    sdk = os.environ.get("WASI_SDK_PATH")
    names = (name, *(f"{name}-{version}" for version in range(30, 13, -1)))
    found = [shutil.which(f"{sdk}/bin/{name}") if sdk else None, *map(shutil.which, names)]
    return (Path(each) for each in found if each)


def _lacks(compiler: Path, header: str) -> str | None:
    """What it lacks, None for nothing."""
    if (
        asked(compiler, TARGET, "-x", "c++" if "++" in compiler.name else "c", "-include", header, "-E", os.devnull)
        is None
    ):
        return f"{header} for wasm32-wasi"
    linker = asked(compiler, TARGET, "--print-prog-name=wasm-ld")
    if linker is None or not shutil.which(linker):
        return "wasm-ld"
    runtime = asked(compiler, TARGET, "--print-libgcc-file-name")
    return None if runtime and Path(runtime).exists() else "runtime (compiler-rt) for wasm32"


LANGUAGE = Language("C", "*.c", "filter.c", (), build)
