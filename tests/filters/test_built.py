"""What is committed is what the sources and the manifest say. Building anew is `filters/build --check`."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compiled import needs_source

FILTERS = Path(__file__).parents[2] / "filters"
ENCODED_WIT = FILTERS.parent / "proxy/sluice/filter_wit.wasm"
LENS = FILTERS.parent / "proxy/sluice/lens.wat"
WASM_TOOLS = Path(sys.executable).with_name("wasm-tools")
COLLECTIONS = [FILTERS, FILTERS / "http", FILTERS / "locale", FILTERS.parent / "tests/hostile"]


@needs_source
def test_no_build_is_older_than_its_sources() -> None:
    check = subprocess.run([sys.executable, FILTERS / "build", "--check-sources"], capture_output=True, text=True)
    assert (check.returncode, check.stderr) == (0, "")


@needs_source
def test_the_encoded_interface_is_the_written_one() -> None:
    written, encoded = (printed_wit(package) for package in (FILTERS / "wit", ENCODED_WIT))
    assert encoded == written


@needs_source
def test_the_lens_is_what_its_text_says(tmp_path: Path) -> None:
    made = tmp_path / "lens.wasm"
    subprocess.run([WASM_TOOLS, "parse", LENS, "-o", made], check=True)
    subprocess.run([WASM_TOOLS, "strip", "--all", made, "-o", made], check=True)
    assert made.read_bytes() == LENS.with_suffix(".wasm").read_bytes()


def printed_wit(package: Path) -> str:
    return subprocess.run([WASM_TOOLS, "component", "wit", package], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("collection", COLLECTIONS, ids=lambda path: str(path.name))
def test_the_manifest_describes_the_builds(collection: Path) -> None:
    manifest = json.loads((collection / "built/manifest.json").read_text())
    built = {path.stem: path.read_bytes() for path in (collection / "built").glob("*.wasm")}
    assert set(built) == set(manifest)
    for name, content in built.items():
        assert manifest[name]["sha256"] == hashlib.sha256(content).hexdigest()
        assert manifest[name]["size"] == len(content)


def test_shipped_filters_import_nothing_but_our_interface() -> None:
    manifest = json.loads((FILTERS / "built/manifest.json").read_text())
    for entry in manifest.values():
        assert all(re.fullmatch(r"sluice:filter/[a-z-]+@0\.1\.0", name) for name in entry["imports"] + entry["exports"])


def test_the_table_in_the_readme() -> None:
    manifest = json.loads((FILTERS / "built/manifest.json").read_text())
    rows = re.findall(r"^\| \[([a-z-]+)\].*\| ([a-z, -]+) \| ([0-9,]+) \|$", (FILTERS / "README.md").read_text(), re.M)
    assert [(name, exports, size) for name, exports, size in rows] == [
        (name, ", ".join(re.findall(r"/([a-z-]+)@", " ".join(entry["exports"]))), f"{entry['size']:,}")
        for name, entry in sorted(manifest.items())
    ]
