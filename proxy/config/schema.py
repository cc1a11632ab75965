"""The JSON Schema of the YAML file, from the model."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from proxy.config.errors import Path
from proxy.config.model import Config

URI = "https://json-schema.org/draft/2020-12/schema"


@cache
def schema() -> dict[str, Any]:
    """As a JSON value; not to be changed."""
    return {"$schema": URI, **Config.model_json_schema()}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def options(path: Path) -> list[str]:
    """The keys that the mapping at this path can have."""
    found = [schema()]
    for step in path:
        found = [inner for each in found for inner in _inside(each, step)]
    return [name for each in found for name in each.get("properties", {})]


def _inside(each: dict[str, Any], step: str | int) -> list[dict[str, Any]]:
    if isinstance(step, int):
        inner = each.get("items")
    else:
        inner = each.get("properties", {}).get(step, each.get("additionalProperties"))
    return _resolved(inner) if isinstance(inner, dict) else []


def _resolved(each: dict[str, Any]) -> list[dict[str, Any]]:
    """The alternatives that this schema stands for."""
    if "$ref" in each:
        return _resolved(schema()["$defs"][each["$ref"].rpartition("/")[2]])
    alternatives = each.get("anyOf") or each.get("oneOf") or each.get("allOf")
    if alternatives:
        return [found for alternative in alternatives for found in _resolved(alternative)]
    return [each]
