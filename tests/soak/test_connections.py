"""A short soak."""

from __future__ import annotations

from pathlib import Path

from tests.soak.connections import soak


def test_idle_and_slow_clients_leave_it_serving(tmp_path: Path) -> None:
    outcome = soak(tmp_path, 200, 60, probes=10)
    assert (len(outcome.waits), outcome.failed) == (10, 0)
