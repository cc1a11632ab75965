"""What is kept for each component instance (CanonicalABI.md, component instances)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.component.handles import HandleTable

if TYPE_CHECKING:
    from proxy.component.tasks.thread import Thread


class ComponentState:
    """Of one component instance in the plan: whether it may call out, its handles, and which of its threads run.

    `thread` is the one that runs, and `storage` what that keeps (context.get, context.set). `running`: how many of its
    threads are on the stack, so that it cannot be entered. `backpressure`, `waiting_to_enter` and `exclusive` hold back
    tasks that would begin.
    """

    __slots__ = (
        "backpressure", "exclusive", "handles", "may_leave", "running", "storage", "thread", "waiting_to_enter",
    )  # fmt: skip

    def __init__(self) -> None:
        self.may_leave = True
        self.handles = HandleTable()
        self.thread: Thread | None = None
        self.storage = [0, 0]
        self.running = 0
        self.backpressure = 0
        self.waiting_to_enter = 0
        self.exclusive: Thread | None = None

    @property
    def untouched(self) -> bool:
        """It is as it was made."""
        return (
            self.handles.untouched
            and self.may_leave
            and self.thread is None
            and self.storage == [0, 0]
            and not (self.running or self.backpressure or self.waiting_to_enter)
            and self.exclusive is None
        )
