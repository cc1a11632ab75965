"""What the YAML says under `config:` of a filter, as `sluice:filter/config` shows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def _scalars(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case Mapping():
            for key, inner in value.items():
                yield from _scalars(f"{prefix}.{key}" if prefix else str(key), inner)
        case list() | tuple():
            for index, inner in enumerate(value):
                yield from _scalars(f"{prefix}.{index}", inner)
        case bool():
            yield prefix, "true" if value else "false"
        case None:
            return
        case _:
            yield prefix, str(value)


class Settings:
    """get: a scalar as text by its key, keys of nested mappings and indices of lists joined with dots.
    json: the whole as JSON, keys in the order of the file."""

    __slots__ = ("get", "json")

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.get = dict(_scalars("", config)).get
        self.json = json.dumps(config, ensure_ascii=False, separators=(",", ":"))
