"""For all tests. Hypothesis' examples have no time limit, as a busy machine must not fail them, and are the same in
each run, so that only a change can fail it; `--hypothesis-profile=explore` looks for new ones. Whom tests ask is on
this machine, whatever proxies its environment names. What they start hears Ctrl-C, also when a shell that started the
suite in the background has it ignored."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("explore"), derandomize=True)
settings.load_profile("suite")

os.environ["no_proxy"] = os.environ["NO_PROXY"] = "localhost,127.0.0.1,::1"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
