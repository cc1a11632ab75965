"""Threads: what runs in a task, and may block (CanonicalABI.md, threads).

A thread is a generator that yields what it blocks on; while it runs core code that may block, that code is on a fiber
and the generator waits for it. Nothing of the interpreter is on the fiber's stack while it is suspended.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy.component.handles import trap
from proxy.sandbox import CALL_RUNTIME, FiberCall

if TYPE_CHECKING:
    from proxy.component.instance import Instance
    from proxy.component.tasks.state import ComponentState
    from proxy.component.tasks.task import Task
    from proxy.sandbox import Argument, CoreFuncType, RawValues


def always() -> bool:
    return True


class Wait:
    """What a thread blocks on: until `ready`, or until it is cancelled if it is `cancellable`. `yields`: it only lets
    others go first, the host too."""

    __slots__ = ("cancellable", "ready", "yields")

    def __init__(self, ready: Callable[[], object], cancellable: bool = False, yields: bool = False) -> None:
        self.ready = ready
        self.cancellable = cancellable
        self.yields = yields


Steps = Generator[Wait, bool | None, None]
"""Of a thread: each step blocks, and is told whether it was cancelled."""


class Block(NamedTuple):
    """What a core function gives that cannot answer yet: `finish` answers for it when the wait is over, told whether it
    was cancelled. `host`: the host itself blocks, so the whole instance does."""

    wait: Wait
    finish: Callable[[bool], Any]
    host: bool = False


class Thread:
    """`storage` is the thread's own (context.get, context.set). `wait` is None while it runs."""

    __slots__ = ("_steps", "block", "cancelled", "fiber", "state", "storage", "task", "wait")

    def __init__(self, task: Task, state: ComponentState, steps: Steps) -> None:
        self.task = task
        self.state = state
        self.storage = [0, 0]
        self.wait: Wait | None = None
        self.fiber: FiberCall | None = None
        self.block: Block | None = None
        self.cancelled = False
        self._steps = steps

    def ready(self) -> bool:
        return self.wait is not None and bool(self.wait.ready())

    def resume(self, cancelled: bool | None = None) -> None:
        """Runs it until it blocks again or is over."""
        state, task = self.state, self.task
        scheduler, instance = task.scheduler, task.instance
        waiting = scheduler.waiting
        if self.wait is not None:
            waiting.remove(self)
            self.wait = None
        outer, storage, data = state.thread, state.storage, instance.data
        state.thread, state.storage, instance.data = self, self.storage, task.data
        state.running += 1
        scheduler.depth += 1
        try:
            self.wait = self._steps.send(cancelled)
            waiting.append(self)
            if not scheduler.running:
                scheduler.wake()
        except StopIteration:
            pass
        finally:
            state.running -= 1
            scheduler.depth -= 1
            state.thread, state.storage, instance.data = outer, storage, data

    def call(self, instance: Instance, func: Argument, kind: CoreFuncType, values: RawValues) -> Steps:
        """Calls a core function on a fiber: arguments and results are in `values`."""
        instance.arm()
        running = FiberCall(instance.context, func, kind, values.buffer)
        outer, self.fiber = self.fiber, running
        try:
            while not running.poll():
                block, self.block = self.block, None
                assert block is not None
                if block.host:
                    self.task.scheduler.blocked = self
                self.cancelled = bool((yield block.wait))
                if block.host:
                    self.task.scheduler.blocked = None
                self.block = block
            running.results(values.buffer)
        finally:
            self.fiber = outer
            running.close()

    def may_suspend(self) -> bool:
        """Whether it is on a fiber, and nothing of the host's between that and the guest."""
        return self.fiber is not None and self.fiber.is_innermost()

    def suspend(self, block: Block) -> None:
        """For a core function that this thread has called, which is about to suspend its fiber."""
        if not self.may_suspend():
            raise trap("a call that another component or a destructor makes cannot wait")
        if not block.host and not self.task.may_block():
            raise trap("cannot block a synchronous task before returning")
        self.block = block

    def resumed(self) -> Any:
        """The answer of the core function that suspended it."""
        block, self.block = self.block, None
        assert block is not None
        return block.finish(self.cancelled)

    def close(self) -> None:
        """Ends it where it is."""
        self.wait = None
        self._steps.close()


class SyncTask:
    """Stands for the task of a call that must not block, and that nobody can cancel."""

    def may_block(self) -> bool:
        return False

    def deliver_pending_cancel(self) -> bool:
        return False

    def cancel(self) -> None:
        raise trap("task.cancel in a task that returns by itself")

    def returns_by(self, kind: object, options: object, result: object) -> None:
        raise trap("task.return in a task that returns by itself")


class SyncThread:
    """The thread of such a call: it runs on the stack of its caller."""

    task = SyncTask()
    storage = (0, 0)

    def may_suspend(self) -> bool:
        return False

    def suspend(self, block: Block) -> None:
        raise trap("cannot block a synchronous task before returning")


SYNC_THREAD = SyncThread()


_call, _failure = CALL_RUNTIME["CALL"], CALL_RUNTIME["failure"]
_trap, _trap_argument = CALL_RUNTIME["TRAP"], CALL_RUNTIME["TRAP_ARGUMENT"]


def call_core(instance: Instance, func: Argument, values: RawValues) -> None:
    error = _call(instance.context, func, values.start, values.count, _trap_argument)
    if error or _trap[0]:
        raise _failure(error)
