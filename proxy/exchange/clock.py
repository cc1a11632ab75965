"""How long each stage of an exchange took, where somebody wants to know (`server_timing`, traces)."""

from __future__ import annotations

from typing import Any


class StageClock:
    """stages: kind, name and own nanoseconds of each, without those of the stages below; in the order of their ends.
    span: what a trace of this exchange is at now, of the library that makes it; None when there is none."""

    __slots__ = ("inside", "span", "stages")

    def __init__(self, span: Any = None) -> None:
        self.stages: list[tuple[str, str, int]] = []
        self.inside = 0
        self.span = span
