"""The committed JSON Schema is the model's, and describes every option."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proxy.config.reference import MARK, reference
from proxy.config.schema import options, schema, schema_text
from tests.config.documents import ROOT


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def test_the_committed_schema_is_current() -> None:
    assert (ROOT / "config/schema.json").read_text() == schema_text(), (
        "run python -m proxy.config.schema > config/schema.json"
    )


def test_the_committed_reference_is_current() -> None:
    by_hand, mark, generated = (ROOT / "docs/configuration.md").read_text().partition(MARK)
    assert by_hand
    assert generated == f"\n{reference()}", f"run {mark}"


def test_the_reference_has_every_option() -> None:
    text = reference()
    for each in objects(schema()):
        for name in each.get("properties", {}):
            assert f"\n| `{name}` | " in text


def test_every_option_is_described() -> None:
    described = [each for each in objects(schema()) if "properties" in each]
    assert len(described) > 10
    for each in described:
        assert each["description"]
        assert each["additionalProperties"] is False
        assert all(option["description"] for option in each["properties"].values())


def test_defaults_are_written_as_people_would() -> None:
    definitions = schema()["$defs"]
    assert definitions["FilterLimits"]["properties"]["memory"]["default"] == "32MiB"
    assert definitions["FilterLimits"]["properties"]["time"]["default"] == "50ms"
    default = schema()["properties"]["access_log"]["default"]
    assert (default["format"], default["to"]) == ("json", "stdout")
    assert "default" not in definitions["Cache"]["properties"]["ttl"]


def test_the_options_at_a_path() -> None:
    assert options(("listeners", 0))[:2] == ["address", "mode"]
    assert options(("filters", "any", "limits")) == ["memory", "time", "total"]
    assert options(("routes", 0, "chain", 1)) == ["filter", "cache", "forward", "respond", "serve"]
    assert options(("routes", 0, "chain", 1, "respond")) == ["status", "headers", "body"]
    assert options(("filters", "any", "config", "free")) == []
    assert options(("nowhere",)) == []
