"""docs/writing-filters.md says what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proxy.config.schema import options
from proxy.sandbox import Engine
from proxy.workshop.cases import Suite, load
from proxy.workshop.report import failure
from proxy.workshop.toolchains import LANGUAGES
from proxy.workshop.trial import try_case
from tests.config.documents import ROOT

TEXT = (ROOT / "docs/writing-filters.md").read_text()
SCHEMA = Suite.model_json_schema()


@pytest.mark.parametrize("path", [(), ("request",), ("response",), ("expect",)])
def test_every_key_of_a_case_is_there(path: tuple[str, ...]) -> None:
    for name in options(("cases", 0, *path), SCHEMA):
        assert f"`{'.'.join((*path, name))}" in TEXT


@pytest.mark.parametrize("message", ["request", "response"])
def test_every_key_of_an_expected_message_is_there(message: str) -> None:
    (row,) = re.findall(rf"^\| `expect\.{message}` .*$", TEXT, re.M)
    for name in options(("cases", 0, "expect", message), SCHEMA):
        assert f"`{name}`" in row


def test_every_language_is_there() -> None:
    for name, language in LANGUAGES.items():
        assert re.search(rf"# .*\b{name}\b", TEXT)
        assert f"| {language.title} |" in TEXT


def test_the_example_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(filter: .*?)```", TEXT, re.S)
    file = tmp_path / "hello.filter-test.yaml"
    file.write_text(example)
    cases = load(file, ROOT / "filters/built/redirects.wasm")
    with Engine() as engine:
        (told, *_) = failure(cases, 0, try_case(cases, 0, engine))
    assert told == f"{file}:9:16: verdict"
