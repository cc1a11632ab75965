"""Rust: cargo, with the standard library built along."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from toolchains.language import Language, Source
from toolchains.tools import MissingTool, componentize, first_line, need, run, wasm_tools_version

PACKAGES = "rustc-web cargo-web rust-web-src lld-14"
RUSTC = "rustc 1.96.0 "
TARGET = "wasm32-unknown-unknown"


def build(source: Source, component: Path) -> None:
    """Panics become plain traps, and no path or message of the standard library gets into the module."""
    rustc, cargo = rust_toolchain()
    environment = os.environ | {
        "RUSTC": str(rustc),
        "RUSTC_BOOTSTRAP": "1",
        "RUSTFLAGS": "-Clinker=wasm-ld-14 -Clinker-flavor=wasm-ld -Clink-arg=-zstack-size=65536",
        "CARGO_PROFILE_RELEASE_PANIC": "immediate-abort",
        "CARGO_PROFILE_RELEASE_TRIM_PATHS": "all",
    }
    unstable = ("panic-immediate-abort", "trim-paths", "build-std=std", "build-std-features=optimize_for_size")
    run(
        cargo, "build", "--quiet", "--release", "--locked", "--package", source.name, "--target", TARGET,
        "--target-dir", source.scratch, *(f"-Z{flag}" for flag in unstable),
        folder=source.folder, environment=environment,
    )  # fmt: skip
    componentize(source.scratch / TARGET / "release" / f"{source.name.replace('-', '_')}.wasm", component)


def versions() -> list[str]:
    rustc, _ = rust_toolchain()
    return [wasm_tools_version(), first_line(rustc, "--version"), first_line("wasm-ld-14", "--version")]


@cache
def rust_toolchain() -> tuple[Path, Path]:
    """rustc and cargo of the one version, with the standard library's source."""
    need("wasm-ld-14", f"apt-get install {PACKAGES}")
    for folder in os.get_exec_path():
        rustc, cargo = Path(folder, "rustc"), Path(folder, "cargo")
        if not (rustc.exists() and cargo.exists() and run(rustc, "--version").startswith(RUSTC)):
            continue
        if Path(run(rustc, "--print", "sysroot").strip(), "lib/rustlib/src/rust/library").exists():
            return rustc, cargo
    raise MissingTool(f"{RUSTC}with its source is needed (Debian bookworm: apt-get install {PACKAGES})")


LANGUAGE = Language("Cargo.toml", build, versions, shares=("../Cargo.toml", "../Cargo.lock", "../crates/**/*"))
