"""Warnings of `sluice check`."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from proxy.cli import main
from tests.hostile.garbage import SOUND, TEMPLATE, assembled
from tests.integration.site import HOSTILE

READS = '(export "path" (func (result string)))'


def curious(function: str) -> bytes:
    """A filter that imports that function of the request."""
    text = TEMPLATE.replace(READS, f"{READS} {function}")
    for name, part in SOUND.items():
        text = text.replace(f"@{name}@", part if isinstance(part, str) else "")
    return assembled(text)


def checked(directory: Path, component: Path | bytes, chain: str) -> list[str]:
    if isinstance(component, bytes):
        (directory / "a.wasm").write_bytes(component)
        component = directory / "a.wasm"
    config = directory / "sluice.yaml"
    config.write_text(
        f"version: 1\nlisteners: [{{address: 127.0.0.1:0}}]\nfilters: {{a: {{component: {component}}}}}\n"
        f"routes:\n  - chain: [{chain}, respond: {{}}]\n"
    )
    result = CliRunner().invoke(main, ["check", str(config)])
    assert (result.exit_code, result.stdout) == (0, f"{config}: ok\n")
    return result.stderr.replace(str(directory), "").splitlines()


def test_all_headers_below_caches(tmp_path: Path) -> None:
    all_headers = curious('(export "headers" (func (result (list (tuple string string)))))')
    assert checked(tmp_path, all_headers, "cache: {name: up}, cache: {name: low}, filter: a") == [
        "/sluice.yaml:5:52: routes[0].chain[2]: warning: filter a can read all headers, so caches `up` and `low` above "
        "it can share nothing between clients that differ in it"
    ]
    assert checked(tmp_path, all_headers, "filter: a, cache: {name: up}") == []


def test_what_it_may_or_may_not_read_is_told_by_explain_alone(tmp_path: Path) -> None:
    address = curious('(export "client-address" (func (result string)))')
    assert checked(tmp_path, address, "cache: {name: up}, filter: a") == []


def test_one_that_imports_all_there_is_says_nothing_of_what_it_uses(tmp_path: Path) -> None:
    assert checked(tmp_path, HOSTILE / "hostile.wasm", "cache: {name: up}, filter: a") == []
