"""An instance of a filter, from exchange to exchange."""

from __future__ import annotations

from proxy.component import Instance

_CLOSED = b"\x00\x00\x00\x00"


class Seat:
    """view: of the memory beside the guest's (`glass`), None before its first use. rows: for each area of that memory,
    the version of the rows that were written there. open: what stands in front of the host's functions may answer."""

    __slots__ = ("instance", "open", "rows", "view")

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.view: memoryview | None = None
        self.rows = [0, 0]
        self.open = False

    def look(self) -> memoryview:
        """The view, where there is such a memory."""
        view = self.view = self.instance.inlay
        assert view is not None
        return view

    def close(self) -> None:
        """From now on the host is asked everything."""
        if self.open:
            self.open = False
            self.look()[:4] = _CLOSED
