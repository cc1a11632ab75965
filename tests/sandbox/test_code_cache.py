"""Machine code on disk: compiled once per digest, and nothing that is not exactly ours is believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.sandbox import CompileError, Engine
from proxy.sandbox.code_cache import HEADER, CodeCache
from tests.component.guests import parse

MODULE = parse('(module (func (export "f") (result i32) i32.const 7))')
OTHER = parse('(module (func (export "f") (result i32) i32.const 8))')


def compiles(directory: Path, *modules: bytes) -> int:
    with Engine(directory) as engine:
        for module in modules:
            engine.module(module)
        return engine.compiles


def test_compiled_once_per_digest(tmp_path: Path) -> None:
    assert compiles(tmp_path, MODULE, MODULE, OTHER) == 2
    assert compiles(tmp_path, MODULE, OTHER) == 0


def test_the_directory_is_the_owners_alone(tmp_path: Path) -> None:
    compiles(tmp_path / "cache", MODULE)
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".code"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty", "forged"])
def test_damaged_files_are_ignored_and_rewritten(tmp_path: Path, damage: str) -> None:
    compiles(tmp_path, MODULE)
    (path,) = tmp_path.iterdir()
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0x40
    bad = {
        "cut": good[:-1],
        "flipped": bytes(flipped),
        "foreign": b"something else entirely",
        "empty": b"",
        "forged": HEADER + b"\0" * 32 + good[len(HEADER) + 32 :],
    }[damage]
    path.write_bytes(bad)
    assert compiles(tmp_path, MODULE) == 1
    assert path.read_bytes() != bad
    assert compiles(tmp_path, MODULE) == 0


def test_code_that_wasmtime_refuses_is_compiled_again(tmp_path: Path) -> None:
    compiles(tmp_path, MODULE)
    (path,) = tmp_path.iterdir()
    with Engine(tmp_path) as engine:
        cache = engine._cache
        assert cache is not None
        digest = engine.module(MODULE).digest
        cache.store(digest, b"whole, but not machine code")
    assert compiles(tmp_path, MODULE) == 1
    assert path.exists()


def test_another_configuration_has_its_own_code(tmp_path: Path) -> None:
    CodeCache(tmp_path, "one").store("digest", b"code")
    assert CodeCache(tmp_path, "one").load("digest") == b"code"
    assert CodeCache(tmp_path, "other").load("digest") is None


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    cache = CodeCache(tmp_path / "cache", "x")
    (tmp_path / "cache").rmdir()
    cache.store("digest", b"code")
    assert cache.load("digest") is None


def test_what_wasmtime_refuses_is_an_error() -> None:
    with Engine() as engine, pytest.raises(CompileError, match="type mismatch"):
        engine.module(parse('(module (func (export "f") (result i32)))'))
