"""Rust: cargo, for the target that has no system interface."""

from __future__ import annotations

import os
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path

from proxy.workshop.toolchains.language import Language, Source
from proxy.workshop.toolchains.tools import BuildFailed, MissingTool, asked, componentize, run, wasm_tools

TARGET = "wasm32-unknown-unknown"
DEBIAN = "apt-get install rustc-web cargo-web rust-web-src lld"


def build(source: Source, component: Path) -> None:
    wasm_tools()
    name = _package_name(source.folder / "Cargo.toml")
    toolchain = find()
    options = () if toolchain.has_target else ("-Zbuild-std=std,panic_abort",)
    run(
        "compiling with cargo", toolchain.cargo, "build", "--quiet", "--release", "--target", TARGET,
        "--target-dir", source.scratch, *options,
        folder=source.folder, environment=toolchain.environment(),
    )  # fmt: skip
    componentize(source.scratch / TARGET / "release" / f"{name.replace('-', '_')}.wasm", component)


def _package_name(manifest: Path) -> str:
    try:
        package = tomllib.loads(manifest.read_text())
        return str(package.get("lib", {}).get("name", package["package"]["name"]))
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise BuildFailed(f"{manifest}: no name of a package in it: {error}") from None


@dataclass(frozen=True, slots=True)
class Toolchain:
    """has_target: whether the standard library comes built for TARGET, or as source alone. linker: to be used instead
    of the one it knows."""

    rustc: Path
    cargo: Path
    has_target: bool
    linker: Path | None

    def environment(self) -> dict[str, str]:
        flags = os.environ.get("RUSTFLAGS", "")
        if self.linker is not None:
            flags += f" -Clinker={self.linker} -Clinker-flavor=wasm-ld"
        bootstrap = {} if self.has_target else {"RUSTC_BOOTSTRAP": "1"}  # building std is not stable yet
        return {"RUSTC": str(self.rustc), "RUSTFLAGS": flags.strip(), **bootstrap}


def find() -> Toolchain:
    """The first that can build for TARGET, one with a built standard library before one with its source."""
    found = [each for each in map(_toolchain, os.get_exec_path()) if each is not None]
    for each in sorted(found, key=lambda each: not each.has_target):
        return each
    if shutil.which("rustup"):
        raise MissingTool(f"Rust is here, but not its target {TARGET}: rustup target add {TARGET}")
    raise MissingTool(
        f"Rust with its target {TARGET} is needed: get rustup from https://rustup.rs, then rustup target add {TARGET} "
        f"(on Debian, or: {DEBIAN})"
    )


def _toolchain(folder: str) -> Toolchain | None:
    rustc, cargo = Path(folder, "rustc"), Path(folder, "cargo")
    if not (rustc.exists() and cargo.exists()):
        return None
    sysroot = asked(rustc, "--print", "sysroot")
    if sysroot is None:
        return None
    library = Path(sysroot, "lib/rustlib")
    has_target = (library / TARGET).exists()
    own_linker = any(library.glob("*/bin/rust-lld"))
    linker = None if own_linker else _linker()
    if (has_target or (library / "src/rust/library").exists()) and (own_linker or linker):
        return Toolchain(rustc, cargo, has_target, linker)
    return None


def _linker() -> Path | None:
    """The newest wasm-ld there is."""
    names = ("wasm-ld", *(f"wasm-ld-{version}" for version in range(30, 13, -1)))
    return next((Path(found) for name in names if (found := shutil.which(name))), None)


LANGUAGE = Language("Rust", "Cargo.toml", "src/lib.rs", ("target/",), build)
