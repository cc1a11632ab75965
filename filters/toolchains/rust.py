"""Rust: cargo, with the standard library built along, so that no path or message of it gets into the module."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from proxy.workshop.toolchains import MissingTool, Source, rust
from proxy.workshop.toolchains.tools import asked, componentize, need, run
from toolchains.pinned import Pinned
from toolchains.versions import first_line, wasm_tools_version

PACKAGES = "rustc-web cargo-web rust-web-src lld-14"
RUSTC = "rustc 1.96.0 "


def build(source: Source, component: Path) -> None:
    """Panics become plain traps."""
    name = source.folder.name
    rustc, cargo = rust_toolchain()
    environment = {
        "RUSTC": str(rustc),
        "RUSTC_BOOTSTRAP": "1",
        "RUSTFLAGS": "-Clinker=wasm-ld-14 -Clinker-flavor=wasm-ld -Clink-arg=-zstack-size=65536",
        "CARGO_PROFILE_RELEASE_PANIC": "immediate-abort",
        "CARGO_PROFILE_RELEASE_TRIM_PATHS": "all",
    }
    unstable = ("panic-immediate-abort", "trim-paths", "build-std=std", "build-std-features=optimize_for_size")
    run(
        "compiling with cargo", cargo, "build", "--quiet", "--release", "--locked", "--package", name,
        "--target", rust.TARGET, "--target-dir", source.scratch, *(f"-Z{flag}" for flag in unstable),
        folder=source.folder, environment=environment,
    )  # fmt: skip
    componentize(source.scratch / rust.TARGET / "release" / f"{name.replace('-', '_')}.wasm", component)


def versions() -> list[str]:
    rustc, _ = rust_toolchain()
    return [wasm_tools_version(), first_line(rustc, "--version"), first_line("wasm-ld-14", "--version")]


@cache
def rust_toolchain() -> tuple[Path, Path]:
    """rustc and cargo of the one version, with the standard library's source."""
    need("wasm-ld-14", f"apt-get install {PACKAGES}")
    for folder in os.get_exec_path():
        rustc, cargo = Path(folder, "rustc"), Path(folder, "cargo")
        if not (rustc.exists() and cargo.exists() and (asked(rustc, "--version") or "").startswith(RUSTC)):
            continue
        if Path(asked(rustc, "--print", "sysroot") or "", "lib/rustlib/src/rust/library").exists():
            return rustc, cargo
    raise MissingTool(f"{RUSTC}with its source is needed (Debian bookworm: apt-get install {PACKAGES})")


SHARES = ("../Cargo.toml", "../Cargo.lock", "../crates/**/*", "../build.rs")

LANGUAGE = Pinned(rust.LANGUAGE.mark, build, versions, SHARES)
