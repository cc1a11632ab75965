"""`config:` as a filter sees it."""

from __future__ import annotations

import json

from proxy.sluice.settings import Settings

CONFIG = {"name": "x", "on": True, "n": 3, "f": 0.5, "none": None, "list": ["a", {"k": 1}], "map": {"a": {"b": "c"}}}


def test_scalars_by_dotted_keys() -> None:
    settings = Settings(CONFIG)
    wanted = {"name": "x", "on": "true", "n": "3", "f": "0.5", "list.0": "a", "list.1.k": "1", "map.a.b": "c"}
    assert {key: settings.get(key) for key in wanted} == wanted
    assert [settings.get(key) for key in ("none", "list", "map", "map.a", "", "missing")] == [None] * 6


def test_the_whole_as_json() -> None:
    assert json.loads(Settings(CONFIG).json) == CONFIG
    assert Settings({}).json == "{}"
