"""C++: clang, with libc++ and wasi-libc."""

from __future__ import annotations

from pathlib import Path

from toolchains.language import Language, Source
from toolchains.tools import componentize, first_line, need, run, wasm_tools_version

PACKAGES = "clang-14 lld-14 wasi-libc libclang-rt-14-dev-wasm32 libc++-14-dev-wasm32 libc++abi-14-dev-wasm32"


def build(source: Source, component: Path) -> None:
    """A reactor: static objects are made in `_initialize`, before anything else is called. Without that the linker
    wraps each export so that it makes and destroys them, and standard output is flushed, which wants WASI.

    `assert` in the bindings would print, so it is off; the bindings move where clang 14 would not."""
    core = source.scratch / f"{source.name}.wasm"
    sources = sorted(path.relative_to(source.folder) for path in source.folder.rglob("*.[co]*"))
    compile_flags = ("-std=c++20", "-Os", "-DNDEBUG", "-fno-exceptions", "-fno-rtti")
    warnings = ("-Wall", "-Wextra", "-Werror", "-Wno-pessimizing-move")
    link = ("--no-entry", "--strip-all", "--stack-first", "-zstack-size=65536")
    run(
        clang(), "--target=wasm32-wasi", *compile_flags, *warnings, "-mexec-model=reactor",
        *(f"-Wl,{flag}" for flag in link), "-o", core, *sources,
        folder=source.folder,
    )  # fmt: skip
    componentize(core, component)


def clang() -> Path:
    return need("clang++-14", f"apt-get install {PACKAGES}")


def versions() -> list[str]:
    return [wasm_tools_version(), first_line(clang(), "--version")]


LANGUAGE = Language("*.cpp", build, versions)
