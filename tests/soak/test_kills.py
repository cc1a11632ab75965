"""A short soak."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.soak.kills import soak


def test_a_killed_worker_costs_only_its_clients_and_they_know_it(tmp_path: Path) -> None:
    (outcome,) = asyncio.run(soak(tmp_path, workers=3, kills=1))
    print(f"another worker served after {outcome.replaced * 1000:.0f} ms")  # how soon, says python -m tests.soak.kills
    assert outcome.wrong == []
    assert outcome.cut >= 8
    assert outcome.kept >= 8
