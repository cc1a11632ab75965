"""Puts an instance back to how it was made, so that the next exchange in it finds nothing of the one before.

That every exchange has an instance of its own is what keeps exchanges apart. Most of what a new one costs is not its
memory but what goes around it: a store and its limits, an instantiation, exports to be looked up. So where everything
is known that an instance can keep (`binary.rewindable`), that is written back instead: its memories and globals are
then as they were after instantiation, which ran no code of the guest, and there is nothing else by which a guest could
tell. Where that is not so, which shows when the exchange is over, the instance is closed and the next one is new:

* its memory has grown,
* it had handles, tasks or anything else that this host keeps for it,
* it was stopped by a trap, as always.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proxy.sandbox import GlobalImage, MemoryImage, Restore

if TYPE_CHECKING:
    from proxy.component.binding import Kept
    from proxy.component.instance import Instance

LARGEST = 2 << 20
"""Bytes of memory that are written back; with more of it a new instance costs less, as its pages are given back."""


class Rewind:
    """For the instances of one linked component."""

    def __init__(self, pristine: Instance, kept: Sequence[Kept]) -> None:
        """pristine: an instance that was not called yet."""
        self._parts: list[tuple[int, int, MemoryImage | GlobalImage]] = []
        for each in kept:
            for kind, numbers in ((MemoryImage, each.memories), (GlobalImage, each.globals)):
                self._parts += [(each.slot, n, kind(pristine.context, pristine.address(n))) for n in numbers]
        self.size = sum(image.size for _, _, image in self._parts if isinstance(image, MemoryImage))

    def __call__(self, instance: Instance) -> bool:
        """Whether it could be done."""
        if not instance.untouched:
            return False
        if instance.restores is None or instance.restores[0] != instance.made:
            instance.restores = instance.made, self._restores(instance)
        for restore in instance.restores[1]:  # noqa: SIM110  # half the time of all()
            if not restore():
                return False
        return True

    def _restores(self, instance: Instance) -> list[Restore]:
        """Of the core instances that were made so far."""
        return [
            image.into(instance.context, instance.address(number))
            for slot, number, image in self._parts
            if instance.has(slot)
        ]
