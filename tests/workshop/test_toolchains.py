"""Which tools are taken, and what is said when they will not do: with tools of paper."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.workshop.toolchains import MissingTool, c, go, rust
from proxy.workshop.toolchains.tools import node_tool

Tool = Callable[..., Path]

SHELL = os.path.realpath("/bin/sh")
"""Any file that can be run."""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tool:
    """Makes a program of that name that prints this; nothing else is on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("WASI_SDK_PATH", raising=False)

    def make(name: str, script: str = "") -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


def rust_with(tool: Tool, tmp_path: Path, *parts: str) -> None:
    """A Rust whose sysroot has these folders."""
    for part in parts:
        (tmp_path / "sysroot/lib/rustlib" / part).mkdir(parents=True)
    tool("rustc", f"echo {tmp_path}/sysroot")
    tool("cargo")


def test_rust_with_the_target(tool: Tool, tmp_path: Path) -> None:
    rust_with(tool, tmp_path, rust.TARGET, "x86_64-unknown-linux-gnu/bin/rust-lld")
    found = rust.find()
    assert (found.has_target, found.linker) == (True, None)
    assert "RUSTC_BOOTSTRAP" not in found.environment()


def test_rust_with_the_source_of_its_library(tool: Tool, tmp_path: Path) -> None:
    rust_with(tool, tmp_path, "src/rust/library")
    tool("wasm-ld-14")
    newer = tool("wasm-ld-19")
    found = rust.find()
    assert (found.has_target, found.linker) == (False, newer)
    assert f"-Clinker={newer}" in found.environment()["RUSTFLAGS"]
    assert found.environment()["RUSTC_BOOTSTRAP"] == "1"


@pytest.mark.parametrize("parts", [(), ("src/rust/library",)])
def test_rust_that_lacks_its_target(tool: Tool, tmp_path: Path, parts: tuple[str, ...]) -> None:
    rust_with(tool, tmp_path, *parts)
    tool("rustup")
    with pytest.raises(
        MissingTool, match="not its target wasm32-unknown-unknown: rustup target add wasm32-unknown-unk"
    ):
        rust.find()


@pytest.mark.parametrize("answer", ["go1.24.3", "devel", ""])
def test_a_go_that_is_too_old(tool: Tool, answer: str) -> None:
    tool("go", f"echo {answer}")
    with pytest.raises(MissingTool, match=r"Go 1\.25 or newer is needed"):
        go.go()


def test_a_go_that_will_do(tool: Tool) -> None:
    assert tool("go", "echo go1.25") == go.go()


def clang() -> Path:
    return c.clang("clang", "stdlib.h", "lld wasi-libc libclang-rt-{version}-dev-wasm32")


@pytest.mark.parametrize(
    ("script", "lacks"),
    [
        ("exit 1", "has no stdlib.h for wasm32-wasi"),
        ('case "$*" in *prog-name*) echo wasm-ld;; esac', "has no wasm-ld"),
        (f'case "$*" in *prog-name*) echo {SHELL};; *libgcc*) echo /nowhere;; esac', "has no runtime"),
    ],
)  # fmt: skip
def test_a_clang_that_lacks_something(tool: Tool, script: str, lacks: str) -> None:
    tool("clang-17", script)
    with pytest.raises(MissingTool, match=lacks) as missing:
        clang()
    assert "apt-get install clang lld wasi-libc libclang-rt-17-dev-wasm32" in str(missing.value)


def test_a_clang_that_will_do_is_found_after_one_that_will_not(tool: Tool) -> None:
    tool("clang", "exit 1")
    whole = tool("clang-16", f'case "$*" in *--print*) echo {SHELL};; esac')
    assert clang() == whole


def test_the_wasi_sdk_comes_first(tool: Tool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = f'case "$*" in *--print*) echo {SHELL};; esac'
    tool("clang", whole)
    (tmp_path / "sdk/bin").mkdir(parents=True)
    inside = tool("clang", whole).rename(tmp_path / "sdk/bin/clang")
    monkeypatch.setenv("WASI_SDK_PATH", str(tmp_path / "sdk"))
    assert clang() == inside


def test_tools_of_npm_are_those_of_the_folder_or_one_above(tool: Tool, tmp_path: Path) -> None:
    tool("npm")
    folder = tmp_path / "filters/hello"
    folder.mkdir(parents=True)
    (tmp_path / "filters/package.json").touch()
    with pytest.raises(MissingTool, match=f"npm install --prefix {tmp_path}/filters$"):
        node_tool("asc", folder)
    above = tmp_path / "filters/node_modules/.bin/asc"
    above.parent.mkdir(parents=True)
    above.touch()
    assert node_tool("asc", folder) == above
