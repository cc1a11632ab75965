"""Functions of the host that guests call, on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, TypeVar

from proxy.component.handles import trap
from proxy.component.tasks.scheduler import Scheduler
from proxy.component.tasks.subtask import Callee
from proxy.component.tasks.task import CANCELLED, OnResolve, OnStart
from proxy.component.tasks.thread import Block, Wait
from proxy.exchange.eager import start
from proxy.sandbox import Trap, TrapKind

if TYPE_CHECKING:
    from proxy.component.handles import Handle
    from proxy.component.instance import Instance

Host = Callable[..., object]
F = TypeVar("F", bound=Host)


def resting(function: F) -> F:
    """Declares that a function only waits: its end is nothing new from outside, for which a guest would get its time
    again (Allowance)."""
    function.rests = True  # type: ignore[attr-defined]
    return function


def failed(error: BaseException) -> BaseException:
    """What the guest is stopped with when the host raised this."""
    if isinstance(error, Trap) or not isinstance(error, Exception):
        return error
    stopped = Trap(TrapKind.HOST, f"{type(error).__name__}: {error}")
    stopped.__cause__ = error
    return stopped


class HostCall:
    """A function of the host that a guest waits for. When it is cancelled it has resolved at once, with its result if
    there is one by then: what it does on its way out is no concern of the guest's."""

    def __init__(
        self, scheduler: Scheduler, coroutine: Coroutine[Any, Any, Any], on_resolve: OnResolve, *, rests: bool
    ) -> None:
        self._scheduler = scheduler
        self._coroutine: Coroutine[Any, Any, Any] | None = coroutine
        self._on_resolve = on_resolve
        self._rests = rests
        self._task: asyncio.Task[Any] | None = None
        self._outcome: Callable[[], Any] | None = None
        scheduler.externals[self] = None
        scheduler.later(self._begin)

    def _begin(self) -> None:
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is None:
            return  # it was cancelled before
        try:
            begun = start(coroutine)
        except BaseException as error:
            self._ended(partial(_raise, error))
            return
        if isinstance(begun, asyncio.Task):
            self._task = begun
            begun.add_done_callback(self._done)
            if self not in self._scheduler.externals:
                begun.cancel()
        else:
            self._ended(lambda: begun)

    def _done(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled():
            task.exception()  # which maybe nobody wants any more
        self._ended(lambda: CANCELLED if task.cancelled() else task.result())

    def _ended(self, outcome: Callable[[], Any]) -> None:
        if self in self._scheduler.externals:
            if not self._rests:
                self._scheduler.renew()
            self._outcome = outcome
            self._scheduler.complete(self._complete)

    def _complete(self) -> None:
        if self._scheduler.externals.pop(self, self) is self:
            return  # it was cancelled when it had just ended, and resolved then
        assert self._outcome is not None
        try:
            result = self._outcome()
        except BaseException as error:
            raise failed(error) from error
        self._on_resolve(result)

    def cancel(self) -> None:
        if self._outcome is not None:
            self._complete()
            return
        self._scheduler.externals.pop(self, None)
        self._give_up()
        self._on_resolve(CANCELLED)

    def _give_up(self) -> None:
        coroutine, self._coroutine = self._coroutine, None
        if coroutine is not None:
            coroutine.close()
        elif self._task is not None:
            self._task.cancel()

    def fail(self, error: BaseException) -> None:
        self._give_up()


def _raise(error: BaseException) -> Any:
    raise error


def _nothing() -> None:
    """Asks for the end of what has ended."""


def host_callee(host: Host) -> Callee:
    """A function of the host, which gives its result or a coroutine of it, as what a subtask calls."""
    rests = getattr(host, "rests", False)

    def call(instance: Instance, on_start: OnStart, on_resolve: OnResolve) -> Callable[[], None]:
        result = host(instance.data, *on_start())
        if type(result) is CoroutineType:
            return HostCall(instance.scheduler, result, on_resolve, rests=rests).cancel
        on_resolve(result)
        return _nothing

    return call


def blocking_call(
    host: Host,
    component: int,
    lift_params: Callable[..., Any],
    lower_result: Callable[..., None],
    pointer_word: int | None,
) -> Callable[[Instance, Any], Any]:
    """`call(instance, slots)` of a function that is not async, for which the host blocks when it gives a coroutine.
    `pointer_word`: where in the raw values stands where the result goes."""

    def call(instance: Instance, slots: Any) -> Any:
        pointer = 0 if pointer_word is None else slots[pointer_word] & 0xFFFFFFFF
        lends: list[Handle] = []
        result = host(instance.data, *lift_params(instance, slots, lends))
        if type(result) is not CoroutineType:
            _give_back(lends)
            return lambda raw: lower_result(instance, result, raw, pointer)
        thread = instance.components[component].thread
        if thread is None or not thread.may_suspend():
            result.close()
            raise trap("a call that another component or a destructor makes cannot wait")
        outcome: list[Any] = []
        calling = HostCallOf(instance, result, outcome)

        def finish(cancelled: bool) -> Callable[[Any], None]:
            _give_back(lends)
            kept = calling.outcome()
            return lambda raw: lower_result(instance, kept, raw, pointer)

        return Block(Wait(lambda: bool(outcome)), finish, host=True)

    return call


def _give_back(lends: list[Handle]) -> None:
    for handle in lends:
        handle.lends -= 1


class HostCallOf:
    """A call for which the host blocks."""

    def __init__(self, instance: Instance, coroutine: Coroutine[Any, Any, Any], outcome: list[Any]) -> None:
        self._outcome = outcome
        self._scheduler = instance.scheduler
        self._scheduler.externals[self] = None
        self._task = asyncio.get_running_loop().create_task(coroutine)
        self._task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        if self in self._scheduler.externals:
            self._scheduler.externals.pop(self)
            self._outcome.append(task)
            self._scheduler.wake()
        elif not task.cancelled():
            task.exception()

    def outcome(self) -> Any:
        return self._outcome[0].result()

    def fail(self, error: BaseException) -> None:
        self._task.cancel()
