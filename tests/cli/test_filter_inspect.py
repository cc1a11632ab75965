"""`sluice filter inspect`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.config.documents import ROOT

BUILT = ROOT / "filters/built"


def inspect(*arguments: str) -> Result:
    return CliRunner().invoke(main, ("filter", "inspect", *arguments), prog_name="sluice", catch_exceptions=False)


def test_a_shipped_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BUILT)
    entry = json.loads((BUILT / "manifest.json").read_text())["ab-split"]
    result = inspect("ab-split.wasm")
    assert (result.exit_code, result.stderr) == (0, "")
    head, modules = result.stdout.split("Its core modules\n")
    assert (
        head
        == f"""\
ab-split.wasm: a filter, {entry["size"]:,} bytes
sha256:{entry["sha256"]}

It is called
  on-request   called with each request, before the stages below it
  on-response  called with each response, after the stages below it

It could reach
  read of the request: header, cookie, client-address, note
  change of the request: set-header, set-note
  change of the response: append-header
  its own part of the configuration
  the proxy's log
  and nothing else: no files, no network, no time, no random numbers

It imports
  sluice:filter/request@0.1.0   needs no grant
  sluice:filter/response@0.1.0  needs no grant
  sluice:filter/config@0.1.0    needs no grant
  sluice:filter/log@0.1.0       needs no grant

It exports
  sluice:filter/on-request@0.1.0
  sluice:filter/on-response@0.1.0

"""
    )
    assert "and 2 small ones, together" in modules
    assert "It says that it was made with\n  processed-by: rustc 1." in modules


@pytest.mark.parametrize("name", sorted(json.loads((BUILT / "manifest.json").read_text())))
def test_as_json(name: str) -> None:
    entry = json.loads((BUILT / "manifest.json").read_text())[name]
    told = json.loads(inspect("--json", str(BUILT / f"{name}.wasm")).stdout)
    assert (told["size"], told["digest"]) == (entry["size"], entry["sha256"])
    assert [each["name"] for each in told["imports"]] == entry["imports"]
    assert told["exports"] == entry["exports"]
    assert (told["problems"], told["grants"]) == ([], [])


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not WebAssembly (at offset 0x0)"),
        (b"version: 1\n", "not WebAssembly (at offset 0x0)"),
        (
            b"\0asm\1\0\0\0",
            "this is a core module, not a component; wasm-tools component new makes it one (at offset 0x0)",
        ),
        (b"\0asm\x0d\0\1\0\1\5", "section 1 announces 5 bytes, 0 left (at offset 0xa)"),
    ],
)
def test_what_is_no_component(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "filter.wasm"
    file.write_bytes(content)
    result = inspect(str(file))
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"{file}: {complaint}\n")


def test_no_such_file() -> None:
    result = inspect("nowhere.wasm")
    assert (result.exit_code, result.stderr) == (2, "nowhere.wasm: cannot be read: No such file or directory\n")


def named(form: bytes, *names: str) -> bytes:
    """Of an instance without anything in it, its imports (form 10) or exports under these names."""
    encoded = b"".join(b"\0" + bytes((len(name),)) + name.encode() + b"\5\0" for name in names)
    content = bytes((len(names),)) + encoded
    return form + bytes((len(content),)) + content


def component(*imports: str) -> bytes:
    instance_type = b"\x07\x03\x01\x42\x00"
    return b"\0asm\x0d\0\1\0" + instance_type + named(b"\x0a", *imports)


def test_versions_and_grants(tmp_path: Path) -> None:
    file = tmp_path / "filter.wasm"
    names = (
        "sluice:filter/log@0.1.7",
        "sluice:filter/request@0.2.0",
        "wasi:clocks/wall-clock@0.2.3",
        "acme:a/\x1b@1.0.0",
    )
    file.write_bytes(component(*names))
    result = inspect(str(file))
    assert result.exit_code == 0
    for line in (
        "a component, but no filter",
        "it exports none of on-request, on-response, on-body of sluice:filter@0.1.0, so it is no filter",
        "it imports sluice:filter/request@0.2.0, which this proxy does not offer",
        "sluice:filter/log@0.1.7       needs no grant; served by sluice:filter/log@0.1.0",
        "wasi:clocks/wall-clock@0.2.3  needs `grants: [clocks]`; served by wasi:clocks/wall-clock@0.2.",
        "\\x1b@1.0.0",
    ):
        assert line in result.stdout
    assert "nothing else" not in result.stdout
    assert json.loads(inspect("--json", str(file)).stdout)["grants"] == ["clocks"]


def test_sockets_are_granted_in_detail() -> None:
    result = inspect("--json", str(ROOT / "tests/wasi/guests/built/sockets.wasm"))
    described = json.loads(result.stdout)
    assert (result.exit_code, described["problems"]) == (0, [])
    assert described["grants"] == ['{sockets: {tcp: ["HOST:PORT"]}}']
    assert {each["name"]: each["grant"] for each in described["imports"]}["wasi:sockets/tcp@0.2.6"] is None
