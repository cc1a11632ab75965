"""The JSON Schema of the YAML file, from the model.

`python -m proxy.config.schema > config/schema.json` after a change to the model.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from typing import Any

from proxy.config.errors import Path
from proxy.config.model import Config
from proxy.config.options import Options

URI = "https://json-schema.org/draft/2020-12/schema"

_REFERENCE = {"description": "${VAR}, ${VAR:-default} or ${file:/path}", "type": "string", "pattern": r"\$\{.+\}"}
_NOTES = ("description", "default", "examples")


@cache
def schema() -> dict[str, Any]:
    """As a JSON value; not to be changed."""
    found = Config.model_json_schema()
    definitions = found.pop("$defs")
    for model in Options.__subclasses__():
        if not model.__module__.startswith(__package__ + "."):
            continue  # of another file than the configuration
        _tidy(model, found if model is Config else definitions[model.__name__])
    return {"$schema": URI, **found, "$defs": {**definitions, "Reference": _REFERENCE}}


def schema_text() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tidy(model: type[Options], found: dict[str, Any]) -> None:
    """Defaults as people write them, references wherever text alone would not do, and no titles, which only
    repeat the names."""
    defaults = model.model_construct().model_dump(mode="json", warnings=False, exclude_none=True)
    found.pop("title", None)
    for name, option in found["properties"].items():
        option.pop("title", None)
        option.pop("default", None)
        if defaults.get(name) not in (None, "", {}, []):
            option["default"] = defaults[name]
        found["properties"][name] = _or_reference(option)


def _or_reference(option: dict[str, Any]) -> dict[str, Any]:
    alternatives = [each for each in option.get("anyOf", [option]) if each != {"type": "null"}]
    rules = [{key: value for key, value in each.items() if key not in _NOTES} for each in alternatives]
    if any({"enum", "const", "pattern"} & each.keys() or each.get("type") in ("integer", "boolean") for each in rules):
        rules.append({"$ref": "#/$defs/Reference"})
    notes = {key: value for each in (*alternatives, option) for key, value in each.items() if key in _NOTES}
    return {**notes, **(rules[0] if len(rules) == 1 else {"anyOf": rules})}


def options(path: Path, whole: dict[str, Any] | None = None) -> list[str]:
    """The keys that the mapping at this path can have: in the configuration, or in what has `whole` as its schema."""
    whole = whole or schema()
    found = [whole]
    for step in path:
        found = [inner for each in found for inner in _inside(each, step, whole)]
    return [name for each in found for name in each.get("properties", {})]


def _inside(each: dict[str, Any], step: str | int, whole: dict[str, Any]) -> list[dict[str, Any]]:
    if isinstance(step, int):
        inner = each.get("items")
    else:
        inner = each.get("properties", {}).get(step, each.get("additionalProperties"))
    return resolved(inner, whole) if isinstance(inner, dict) else []


def resolved(each: dict[str, Any], whole: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The alternatives that this part of a schema (`whole`, by default the configuration's) stands for."""
    if "$ref" in each:
        return resolved((whole or schema())["$defs"][each["$ref"].rpartition("/")[2]], whole)
    alternatives = each.get("anyOf") or each.get("oneOf")
    if alternatives:
        return [found for alternative in alternatives for found in resolved(alternative, whole)]
    return [each]


if __name__ == "__main__":
    sys.stdout.write(schema_text())
