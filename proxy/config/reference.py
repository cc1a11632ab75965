"""The reference of options in docs/configuration.md, from the JSON Schema.

`python -m proxy.config.reference docs/configuration.md` after a change to the model.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from proxy.config.schema import resolved, schema

MARK = "<!-- From here on: python -m proxy.config.reference docs/configuration.md -->\n"
"""What stands before it in the file was written by hand."""


def reference() -> str:
    """A table for each mapping, in the order of the schema."""
    return "\n".join(_tables("", [schema()]))


def _tables(path: str, mappings: list[dict[str, Any]]) -> Iterator[str]:
    options = [(name, option, each) for each in mappings for name, option in each["properties"].items()]
    alternatives = len(mappings) > 1
    yield f"### `{path}`\n" if path else "### The top level\n"
    yield "One of these:\n" if alternatives else f"{mappings[0]['description']}\n"
    yield "| option | value | default | |\n|---|---|---|---|"
    for name, option, each in options:
        required = name in each.get("required", ()) and not alternatives
        text = f"{each['description']} {option['description']}" if alternatives else option["description"]
        yield f"| `{name}` | {_value(option)} | {'required' if required else _default(option)} | {_cell(text)} |"
    yield ""
    for name, option, _ in options:
        step, inner = _inside(f"{path}.{name}" if path else name, option)
        if inner:
            yield from _tables(step, inner)


def _inside(path: str, option: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The mappings that an option has in it, with the path to them."""
    for each in resolved(option):
        if isinstance(each.get("additionalProperties"), dict):
            path, each = f"{path}.NAME", each["additionalProperties"]
        elif "items" in each:
            path, each = f"{path}[]", each["items"]
        mappings = [inner for inner in resolved(each) if "properties" in inner]
        if mappings:
            return path, mappings
    return path, []


def _value(option: dict[str, Any]) -> str:
    if "examples" in option:
        return f"such as `{option['examples'][0]}`"
    kinds = [_kind(each) for each in resolved(option) if "${" not in each.get("description", "")]
    return " or ".join(dict.fromkeys(kinds))


def _kind(each: dict[str, Any]) -> str:
    match each:
        case {"enum": choices}:
            return ", ".join(f"`{choice}`" for choice in choices if choice is not False)
        case {"const": value}:
            return f"`{value}`"
        case {"type": "array", "items": items}:
            return f"list of {_value(items)}"
        case {"type": "integer"}:
            return "whole number"
        case {"type": "boolean"}:
            return "`true`, `false`"
        case {"type": "string"}:
            return "text"
        case {"additionalProperties": dict()}:
            return "mapping, by name"
        case _:
            return "mapping"


def _default(option: dict[str, Any]) -> str:
    default = option.get("default")
    if default is None or isinstance(default, dict):
        return ""
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(file.read_text().partition(MARK)[0] + MARK + "\n" + reference())
