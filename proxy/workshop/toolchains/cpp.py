"""C++: clang with libc++ and wasi-libc."""

from __future__ import annotations

from pathlib import Path

from proxy.workshop.toolchains.c import TARGET, clang
from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import componentize, run, wasm_tools

COMPILE = ("-std=c++20", "-Os", "-DNDEBUG", "-fno-exceptions", "-fno-rtti", "-Wall", "-Wextra", "-Wno-pessimizing-move")
"""`assert` in the bindings would print, so it is off; the bindings move where clang 14 would not."""
LINK = ("--no-entry", "--strip-all", "--stack-first", "-zstack-size=65536")
PACKAGES = "lld wasi-libc libclang-rt-{version}-dev-wasm32 libc++-{version}-dev-wasm32 libc++abi-{version}-dev-wasm32"


def build(source: Source, component: Path) -> None:
    wasm_tools()
    build_with(clang("clang++", "string", PACKAGES), source, component)


def build_with(compiler: Path, source: Source, component: Path, *flags: str) -> None:
    """A reactor: static objects are made in `_initialize`, before anything else is called. Without that the linker
    wraps each export so that it makes and destroys them, and standard output is flushed, which wants WASI."""
    core = source.scratch / "filter.wasm"
    found = (path for pattern in ("*.cpp", "*.o") for path in source.folder.rglob(pattern))
    sources = sorted(path.relative_to(source.folder) for path in found)
    run(
        f"compiling with {compiler.name}", compiler, TARGET, *COMPILE, *flags, "-mexec-model=reactor",
        *(f"-Wl,{flag}" for flag in LINK), "-o", core, *sources,
        folder=source.folder,
    )  # fmt: skip
    componentize(core, component)


LANGUAGE = Language("C++", "*.cpp", "filter.cpp", (), build)
