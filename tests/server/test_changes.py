"""When a change of files is taken over, and `sluice run --watch` doing so."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from proxy.config.loader import load
from proxy.server.changes import Changes, Stamps, stamps
from tests.server.process import config, respond, running
from tests.server.test_workers import until

BUILT = Path(__file__).parents[2] / "filters" / "built"
FILE = Path("x")
OLD: Stamps = {FILE: (1, 10, 100)}
HALF: Stamps = {FILE: (1, 0, 200)}
NEW: Stamps = {FILE: (1, 12, 201)}
GONE: Stamps = {FILE: None}


@pytest.mark.parametrize(
    ("looks", "taken"),
    [
        ([OLD, OLD, OLD], []),
        ([NEW, NEW, NEW, NEW], [1]),
        ([HALF, NEW, NEW, NEW], [2]),  # not what is still being written
        ([NEW, OLD, OLD], []),
        ([NEW, NEW, OLD, OLD], [1, 3]),
        ([GONE, GONE, NEW, NEW], [1, 3]),  # refused, and then not
    ],
)
def test_what_looks_the_same_twice_and_is_not_in_effect_is_taken_over(looks: list[Stamps], taken: list[int]) -> None:
    changes = Changes(OLD)
    assert [index for index, files in enumerate(looks) if changes.settled(files)] == taken


def test_every_file_that_a_configuration_is_made_from_is_looked_at(tmp_path: Path) -> None:
    shutil.copy(BUILT / "headers.wasm", tmp_path / "filter.wasm")
    path = config(
        tmp_path,
        [{"filter": "set"}, {"forward": "shop"}],
        listeners=[{"address": "127.0.0.1:0", "tls": {"certificates": [{"certificate": "c.pem", "key": "k.pem"}]}}],
        filters={"set": {"component": "filter.wasm"}},
        upstreams={"shop": {"endpoints": ["https://a.example"], "tls": {"ca": "ca.pem"}}},
    )
    found = stamps(load(path))
    assert {each.name for each in found} == {"sluice.yaml", "filter.wasm", "c.pem", "k.pem", "ca.pem"}
    assert {each.name for each, stamp in found.items() if stamp is None} == {"c.pem", "k.pem", "ca.pem"}


def test_a_saved_configuration_is_live_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    path = config(tmp_path, respond("one"))
    with running(path, "--watch") as proxy:
        assert proxy.get() == (200, b"one")
        path.write_text("version: 1\nlisteners: nonsense\n")
        proxy.until("reload refused, everything stays as it is")
        assert proxy.get() == (200, b"one")
        config(tmp_path, respond("two"))
        until(lambda: proxy.get() == (200, b"two"))


def test_a_saved_component_is_live(tmp_path: Path) -> None:
    """Written in place and put in place, as editors and compilers do either."""
    component = tmp_path / "filter.wasm"
    shutil.copy(BUILT / "security-headers.wasm", component)
    path = config(tmp_path, [{"filter": "f"}, *respond("ok")], filters={"f": {"component": "filter.wasm"}})
    with running(path, "--watch") as proxy:
        assert "strict-transport-security" in proxy.headers()
        shutil.copy(BUILT / "html-inject.wasm", component)
        until(lambda: "strict-transport-security" not in proxy.headers())
        shutil.copy(BUILT / "security-headers.wasm", tmp_path / "new")
        os.replace(tmp_path / "new", component)
        until(lambda: "strict-transport-security" in proxy.headers())
