"""The steps of a filter: calls of its exports that take nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.component import Instance
from proxy.exchange import Response
from proxy.sandbox import Trap
from proxy.sluice import checks
from proxy.sluice.glass import Glass
from proxy.sluice.run import Run
from proxy.sluice.seat import Seat


class Step:
    """name: of the export. glass: what answers before the host is asked; None: nothing does."""

    __slots__ = ("_export", "_glass", "name")

    def __init__(self, name: str, export: Callable[[Instance], Any], glass: Glass | None = None) -> None:
        self.name = name
        self._export = export
        self._glass = glass

    def __call__(self, run: Run, seat: Seat) -> Any:
        """What the filter says: its reply to a request, whether it transforms the body."""
        glass = self._glass
        if glass is None:
            seat.close()
            return self.result(self._export(seat.instance))
        glass.arm(run, seat)
        try:
            given = self._export(seat.instance)
        except Trap as trap:
            raise glass.cause(run, trap) from trap.__cause__
        finally:
            glass.finish(run)
        return self.result(given)

    def result(self, given: Any) -> Any:
        """What it says, of what the export gives."""
        return given


class OnRequest(Step):
    __slots__ = ()

    def result(self, given: Any) -> Response | None:
        verdict: tuple[str, Any] = given
        return checks.reply(verdict[1]) if verdict[0] == "reply" else None
