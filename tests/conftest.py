"""For all tests: examples of hypothesis have no time limit, as a busy machine must not fail them, and are the same in
each run, so that only a change can fail it. `--hypothesis-profile=explore` looks for new ones."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("explore"), derandomize=True)
settings.load_profile("suite")
