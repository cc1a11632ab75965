"""How long a test waits for what should come at once, on a machine that may be busy or slow."""

from __future__ import annotations

PATIENCE = 120.0
"""Seconds. A test that passes does not wait so long: only what never comes takes all of it."""
