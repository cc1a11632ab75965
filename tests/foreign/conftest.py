from __future__ import annotations

from tests.filters.conftest import engine

__all__ = ["engine"]
