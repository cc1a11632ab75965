"""How much a peer may ask of us without getting anything done.

Every known attack with cheap frames (rapid reset and its mirror image, floods of SETTINGS, PING, PRIORITY, empty DATA,
window updates in tiny steps) is many frames that lead to no exchange. So there is one account: such frames cost,
exchanges and bodies that get on earn, time earns a little, and who is overdrawn is told to enhance their calm.
"""

from __future__ import annotations

from typing import Final

FRAME: Final = 1
"""Costs a frame that carries no message."""

RESET: Final = 10
"""Costs a stream that the peer gave up, or made us give up, before it was over."""

REQUEST: Final = 2
"""Earns a request: browsers send a few PRIORITY or PRIORITY_UPDATE frames around each."""

ANSWERED: Final = 5
"""Earns a response that was wanted to its end: up to a third of all requests may be given up, at any rate."""

CARRIED: Final = 2
"""Earns a DATA frame of at least WORTH bytes, either way: it calls for an update of one or two windows."""

WORTH: Final = 64

_BURST: Final = 1000
_PER_SECOND: Final = 100


class Calm:
    """The account of one peer."""

    __slots__ = ("_at", "_left")

    def __init__(self) -> None:
        self._left = float(_BURST)
        self._at = 0.0

    def spend(self, cost: int) -> bool:
        """Returns whether it is overdrawn."""
        self._left -= cost
        return self._left < 0

    def earn(self, credit: int) -> None:
        self._left += credit

    def pass_time(self, now: float) -> None:
        """Before what is received at `now`, in seconds by any clock. Nobody saves more than the burst."""
        self._left = min(_BURST, self._left + (now - self._at) * _PER_SECOND)
        self._at = now
