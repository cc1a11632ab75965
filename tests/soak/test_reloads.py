"""A short soak."""

from __future__ import annotations

from pathlib import Path

from tests.soak.reloads import soak


def test_reloads_under_load_lose_nothing_and_leave_nothing_behind(tmp_path: Path) -> None:
    outcome = soak(tmp_path, 20)
    assert outcome.requests > 20
    assert outcome.wrong() == []
