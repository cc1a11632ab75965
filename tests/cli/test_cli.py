"""The commands, as they are typed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from proxy import __version__
from proxy.cli import COMMANDS, main
from proxy.config.schema import schema
from tests.config.documents import ROOT


def sluice(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="sluice")


def test_check_says_ok() -> None:
    file = str(ROOT / "config/full.yaml")
    result = sluice("check", file)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{file}: ok\n", "")


def test_check_prints_the_errors_and_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "tests/config/golden")
    result = sluice("check", "unknown_keys.yaml")
    expected = (ROOT / "tests/config/golden/unknown_keys.txt").read_text()
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", expected)


def test_check_of_a_file_that_is_not_there() -> None:
    result = sluice("check", "nowhere.yaml")
    assert (result.exit_code, result.stderr) == (2, "nowhere.yaml:1:1: cannot be read: No such file or directory\n")


def test_schema() -> None:
    result = sluice("schema")
    assert (result.exit_code, json.loads(result.stdout)) == (0, schema())


def test_version() -> None:
    result = sluice("version")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"sluice {__version__} (wasmtime ")


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_completion(shell: str) -> None:
    result = sluice("completion", shell)
    assert result.exit_code == 0
    assert f"_SLUICE_COMPLETE={shell}_complete" in result.stdout


def test_every_command_has_help() -> None:
    result = sluice("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.stdout
        assert sluice(name, "--help").exit_code == 0


def test_an_unknown_command() -> None:
    result = sluice("chek")
    assert result.exit_code == 2
    assert "No such command 'chek'" in result.stderr


def test_version_imports_neither_the_configuration_nor_the_engine() -> None:
    """Small commands are quick because they load nothing that they do not use."""
    program = (
        "import sys; from proxy.cli import main; main(['version'], standalone_mode=False);"
        "print(sorted({'pydantic', 'yaml', 'wasmtime', 'uvloop'} & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert output.stdout.splitlines()[1] == "[]"
