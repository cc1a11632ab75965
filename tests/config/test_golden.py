"""Every class of mistake: golden/*.yaml and, beside each, the exact messages it gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.config.errors import ConfigErrors
from proxy.config.loader import load

GOLDEN = Path(__file__).parent / "golden"
ENVIRONMENT = {"PORT": "8080", "EMPTY": "", "WORD": "many"}


def errors(name: str) -> ConfigErrors:
    with pytest.raises(ConfigErrors) as raised:
        load(f"{name}.yaml", ENVIRONMENT)
    return raised.value


@pytest.mark.parametrize("name", sorted(file.stem for file in GOLDEN.glob("*.yaml")))
def test_messages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(GOLDEN)
    found = errors(name)
    assert f"{found}\n" == (GOLDEN / f"{name}.txt").read_text()
    lines = (GOLDEN / f"{name}.yaml").read_bytes().count(b"\n") + 1
    assert all(1 <= error.line <= lines and error.column >= 1 for error in found.errors)
