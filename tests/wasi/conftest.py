from __future__ import annotations

from tests.component.conftest import engine

__all__ = ["engine"]
