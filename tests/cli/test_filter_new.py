"""`sluice filter new` and `sluice filter build`, as they are typed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from proxy.workshop import build as building
from proxy.workshop.toolchains import LANGUAGES, Language, Source, python
from tests.compiled import needs_source
from tests.config.documents import ROOT

SLOW = "SLUICE_SLOW_BUILDS"
"""Set in the environment: also build in the languages of which a first build takes a quarter of a minute or more."""
SLOW_LANGUAGES = {"go", "python", "rust"}
FILTERS = ROOT / "filters"


def sluice(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("filter", *arguments), prog_name="sluice", catch_exceptions=False)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_new_filter_has_all_that_belongs_to_it(language: str, here: Path) -> None:
    result = sluice("new", "--lang", language, "hello")
    assert (result.exit_code, result.stderr) == (0, "")
    written = {str(path.relative_to(here)) for path in here.rglob("*") if path.is_file()}
    assert set(result.stdout.split("\n\n")[0].splitlines()) == written
    known = LANGUAGES[language]
    for name in ("README.md", "hello.filter-test.yaml", "wit/world.wit", known.code, ".gitignore"):
        assert f"hello/{name}" in written
    assert (here / "hello/wit/deps/sluice-filter.wit").read_text() == (ROOT / "filters/wit/filter.wit").read_text()
    assert building.language_of(Path("hello")) is known
    assert not any(re.search(rb"\{\{\w+\}\}", (here / name).read_bytes()) for name in written)


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_a_new_filter_builds_and_passes_its_test(language: str, here: Path) -> None:
    if language in SLOW_LANGUAGES and SLOW not in os.environ:
        pytest.skip(f"slow; done with {SLOW}=1")
    sluice("new", "--lang", language, "hello")
    if (FILTERS / "locale/node_modules").exists():
        (here / "hello/node_modules").symlink_to(FILTERS / "locale/node_modules")
    built = sluice("build", "hello")
    if built.exit_code == 3:
        pytest.skip(built.stderr)
    assert built.exit_code == 0, built.stderr
    assert built.stdout.startswith(f"hello/hello.wasm: on-request, from {LANGUAGES[language].title}, ")
    tested = sluice("test", "hello/hello.filter-test.yaml")
    assert (tested.exit_code, tested.stdout.count("(also remembered)")) == (0, 3), tested.output
    assert tested.stdout.endswith("3 passed, 0 failed\n")


@needs_source
def test_the_recipes_are_those_of_the_filters_here() -> None:
    """What both have is the same, and of the same versions."""
    workshop = ROOT / "proxy/workshop"
    for ours, theirs in (
        ("templates/go/pkg", "locale/go/pkg"),
        ("templates/assemblyscript/asconfig.json", "locale/assemblyscript/asconfig.json"),
        *((f"templates/assemblyscript/bindings/{name}.ts", f"locale/assemblyscript/bindings/{name}.ts")
          for name in ("abi", "log", "on-request")),
    ):  # fmt: skip
        assert contents(workshop / ours) == contents(FILTERS / theirs)
    pinned = json.loads((FILTERS / "locale/package.json").read_text())["devDependencies"]
    for language in ("assemblyscript", "javascript"):
        wanted = json.loads((workshop / "templates" / language / "package.json").read_text())["devDependencies"]
        assert wanted.items() <= pinned.items()
    assert (workshop / "templates/python/requirements.txt").read_text() == f"{python.REQUIREMENT}\n"


def contents(path: Path) -> dict[str, bytes]:
    files = [path] if path.is_file() else (each for each in path.rglob("*") if each.is_file())
    return {str(each.relative_to(path)): each.read_bytes() for each in files}


@pytest.mark.parametrize("name", ["Hello", "a_b", "-a", "a--b", "", "a" * 65, "../a", "é"])
def test_a_name_that_would_not_do(name: str) -> None:
    result = sluice("new", "--lang", "c", "--", name)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{name!r} is no name for a filter")


def test_nothing_is_overwritten(here: Path) -> None:
    (here / "hello").mkdir()
    result = sluice("new", "--lang", "c", "hello")
    assert (result.exit_code, result.stderr) == (2, "hello exists already\n")
    assert list((here / "hello").iterdir()) == []


def test_a_folder_without_a_filter() -> None:
    result = sluice("build")
    assert result.exit_code == 1
    assert result.stderr.startswith(".: there is no filter here: none of ")
    assert "`sluice filter new` begins one" in result.stderr


@pytest.mark.parametrize(
    ("language", "advice"),
    [
        ("rust", "get rustup from https://rustup.rs, then rustup target add wasm32-unknown-unknown"),
        ("c", "on Debian, apt-get install clang lld wasi-libc"),
        ("cpp", "on Debian, apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32 libc++-14-dev-wasm32"),
        ("go", "go is needed, and was not found: install Go 1.25 or newer (https://go.dev/dl)"),
        ("javascript", "npm is needed, and was not found: install Node.js (https://nodejs.org)"),
        ("assemblyscript", "npm is needed, and was not found: install Node.js (https://nodejs.org)"),
    ],
)
def test_without_a_toolchain_it_says_what_to_install(
    language: str, advice: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sluice("new", "--lang", language, "hello")
    monkeypatch.setenv("PATH", str(here))
    monkeypatch.delenv("WASI_SDK_PATH", raising=False)
    result = sluice("build", "hello")
    assert (result.exit_code, result.stdout) == (3, "")
    assert advice in result.stderr


def test_what_the_compiler_says_is_shown(here: Path) -> None:
    sluice("new", "--lang", "c", "hello")
    (here / "hello/hello.wasm").write_bytes(b"as it was")
    with (here / "hello/filter.c").open("a") as source:
        source.write("int broken(\n")
    result = sluice("build", "hello")
    if result.exit_code == 3:
        pytest.skip(result.stderr)
    assert result.exit_code == 1
    assert "compiling with clang" in result.stderr
    assert "filter.c:" in result.stderr
    assert (here / "hello/hello.wasm").read_bytes() == b"as it was"


def make_strange(made: bytes, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with source in a language of which just this is made."""

    def build(source: Source, component: Path) -> None:
        component.write_bytes(made)

    monkeypatch.setitem(LANGUAGES, "strange", Language("Strange", "*.strange", "a.strange", (), build))
    (here / "a.strange").touch()


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        (b"junk", "what was built is not a component that this proxy can read: not WebAssembly (at offset 0x0)\n"),
        (b"\0asm\x0d\0\1\0", "what was built is refused by this proxy: it exports none of on-request, on-response, "),
    ],
)
def test_what_is_built_must_be_a_filter(
    made: bytes, complaint: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_strange(made, here, monkeypatch)
    result = sluice("build", "-o", "out.wasm")
    assert result.exit_code == 1
    assert result.stderr.startswith(complaint)
    assert not (here / "out.wasm").exists()


def test_it_builds_elsewhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = (ROOT / "filters/built/redirects.wasm").read_bytes()
    make_strange(shipped, here, monkeypatch)
    result = sluice("build", "-o", "out.wasm")
    assert result.stdout == f"out.wasm: on-request, from Strange, {len(shipped):,} bytes\n"
    assert (here / "out.wasm").read_bytes() == shipped
