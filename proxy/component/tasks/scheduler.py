"""The event loop of an instance, as a part of asyncio's (CanonicalABI.md, embedding API: `Store.tick`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from proxy.component.handles import trap
from proxy.component.tasks.allowance import SHORT, Allowance, Stopwatch
from proxy.component.tasks.task import CANCELLED, Lifted, Task
from proxy.component.tasks.thread import Thread
from proxy.sandbox import Trap, TrapKind

if TYPE_CHECKING:
    from proxy.component.instance import Instance

stopwatch = Stopwatch()


class Entered:
    """How many guests are on the stack, of all instances."""

    __slots__ = ("guests",)

    def __init__(self) -> None:
        self.guests = 0


_entered = Entered()
"""Not an attribute of a class: whoever sets one of those makes the interpreter forget what it knows of the class."""


PASSES = 32
"""How often all threads that are ready are resumed in a row, and what a guest asks for is begun, before the host's own
tasks have their turn."""


class External(Protocol):
    """Something of the host's that may still bring a guest forward: a call it has not answered, an end of a stream or a
    future that it holds."""

    def fail(self, error: BaseException) -> None:
        """The guest is no more."""


class Given(Protocol):
    """A stream or a future of the host's that a guest has."""

    def drop(self) -> None: ...


class Call:
    """A call from the host. It has `resolved` when it is `answered` (its result is there), when it was `cancelled`, or
    when it has failed; it is `over` when nothing of it runs any more, which `on_end` is told. `failure`: what stopped
    the instance, before the call was answered or after."""

    __slots__ = (
        "_on_result", "_result", "_waiting", "answered", "cancelled", "failure", "on_end", "over", "resolved", "task",
    )  # fmt: skip

    def __init__(self, on_result: Callable[[Any], Any] | None = None) -> None:
        """on_result: makes of the result what is given for it, as soon as the guest gives it, which is on the stack."""
        self.resolved = self.answered = self.over = self.cancelled = False
        self._on_result = on_result
        self.on_end: Callable[[], None] | None = None
        self.task: Task | None = None
        self._result: Any = None
        self.failure: BaseException | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def result(self) -> Any:
        """When it is there; given once. Raises what it failed with."""
        if not self.resolved:
            self._waiting = asyncio.get_running_loop().create_future()
            try:
                await self._waiting
            finally:
                self._waiting = None
        if not self.answered and self.failure is not None:
            raise self.failure
        result, self._result = self._result, None
        return result

    def resolve(self, result: Any) -> None:
        if result is CANCELLED:
            self.cancelled = True
        elif not self.resolved:
            on_result, self._on_result = self._on_result, None
            self._result = result if on_result is None else on_result(result)
            self.answered = True
        self._resolved()

    def _resolved(self) -> None:
        self.resolved = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def end(self) -> None:
        self.task = None
        self.over = True
        on_end, self.on_end = self.on_end, None
        if on_end is not None:
            on_end()

    def fail(self, error: BaseException) -> None:
        self.failure = error
        if not self.resolved:
            self._resolved()
        if not self.over:
            self.end()


class Scheduler:
    """`waiting`: the blocked threads, the one that has waited longest first. `blocked`: the one for which the host
    itself blocks, and the whole instance with it. `externals` and `given`: see there; they are let go at the end.
    `running`: its guest is on the stack."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.waiting: list[Thread] = []
        self.blocked: Thread | None = None
        self.externals: dict[External, None] = {}
        self.given: dict[Given, None] = {}
        self._calls: dict[Task, Call] = {}
        self._completions: list[Callable[[], None]] = []
        self._asked: list[Callable[[], None]] = []
        self._going = self._again = False
        self._awake = False
        self.running = False
        self.depth = 0
        """How many of its threads are on the stack."""
        self._yielded = False
        self._limit = instance.linked.limits.time
        self._allowance = Allowance(self._limit)
        self.renew = self._allowance.renew
        """Something is new from outside: a call, its answer, bytes, or somebody who wants some."""

    @property
    def busy(self) -> bool:
        """Whether any call of the host's runs."""
        return bool(self._calls)

    # From the host.

    def start(
        self,
        lifted: Lifted,
        arguments: tuple[Any, ...],
        data: Any = None,
        on_result: Callable[[Any], Any] | None = None,
    ) -> Call:
        """Begins a call, with `data` in the place of the instance's, and goes on for as long as anything is ready.
        Raises what it fails with at once, unless it has a result by then."""
        call = Call(on_result)
        task = call.task = Task(self._instance, lifted, lambda: arguments, call.resolve)
        if data is not None:
            task.data = data
        self._calls[task] = call
        self.renew()
        try:
            self._go(task.thread.resume)
        except Exception:
            if call.failure is None or not call.answered:
                raise
        return call

    async def result_of(self, call: Call) -> Any:
        """The result, when it is there. Whoever is cancelled meanwhile ends the instance."""
        try:
            return await call.result()
        except asyncio.CancelledError:
            if not call.resolved:
                self._instance.stop()
                self.fail(RuntimeError("the call was given up"))
            raise

    def cancel(self, call: Call) -> None:
        """Asks the guest to end a call."""
        task = call.task
        if task is not None and not call.resolved and task.state.value < 3:
            self._go(task.request_cancellation)

    def complete(self, completion: Callable[[], None]) -> None:
        """Something of the host's is done: `completion` tells the guest, when it can be entered."""
        self._completions.append(completion)
        self.go_on()

    def later(self, work: Callable[[], None]) -> None:
        """What the guest has asked of the host: begun when the guest is off the stack, and may then be done at once."""
        self._asked.append(work)

    def go_on(self) -> None:
        """Threads may be ready: they go on now, unless a guest is on the stack."""
        if self._going:
            self._again = True
        elif _entered.guests:
            self.wake()
        else:
            self._wakened()

    def wake(self) -> None:
        """Threads may be ready. Outside of asyncio they go on with the next call."""
        if self._awake or self.running or not self._instance.alive:
            return
        try:
            asyncio.get_running_loop().call_soon(self._wakened)
        except RuntimeError:
            return
        self._awake = True

    def _wakened(self) -> None:
        self._awake = False
        instance = self._instance
        if not instance.alive:
            return
        if instance.running:
            self.wake()
            return
        try:
            self._go()
        except BaseException as error:
            if not isinstance(error, Exception):
                raise

    # Running.

    def _go(self, first: Callable[[], object] | None = None) -> None:
        """Runs the guest, then what it has asked of the host meanwhile, and again for as long as that is done at once:
        so neither is on the stack while the other runs, and an exchange that has nothing to wait for needs no turn of
        asyncio's. What goes on and on lets the host's own tasks have theirs."""
        before, self._going = self._going, True
        try:
            self._run(first)
            for _ in range(PASSES):
                if not (self._asked or self._again) or not self._instance.alive:
                    return
                if self._asked:
                    self._asked.pop(0)()
                if self._completions or self._again:
                    self._again = False
                    self._run()
            self.wake()
        finally:
            self._going = before

    def _run(self, first: Callable[[], object] | None = None) -> None:
        """Runs `first`, what the host has completed, and threads that are ready. A failure ends the instance and fails
        whatever waits for it."""
        instance, ready = self._instance, None
        if first is None:
            ready = self._ready()
            if not ready and not self._completions:
                self._rest()
                return
        now = monotonic()
        previous = instance.enter(None if self._allowance.whole else self._left(now))
        if now > stopwatch.due:
            stopwatch.start(now)
        self.running = True
        self._yielded = False
        _entered.guests += 1
        try:
            if first is not None:
                first()
            again = self._passes(ready)
            instance.state = 0
        except BaseException as error:
            _entered.guests -= 1
            self.running = False
            instance.leave(previous)
            self.fail(error)
            raise
        _entered.guests -= 1
        self.running = False
        instance.leave(previous)
        since, now = now, monotonic()
        spent = now - since
        if spent > SHORT:
            spent = stopwatch.took(since, now)
        if again:
            self._allowance.spend(spent)
            self.wake()
            return
        self._allowance.rest(now, spent)
        if not self.externals:
            self._rest()

    def _left(self, now: float) -> float | None:
        """The seconds that it may go on, None for as many as at first. Stops it if there are none."""
        left = self._allowance.left(now)
        if left <= 0:  # it has gone on by itself, again and again
            late = Trap(TrapKind.TIMEOUT, "time limit exceeded")
            self._stop(late)
            raise late
        return left if left < self._limit else None

    def _passes(self, ready: list[Thread] | None) -> bool:
        """Whether something is still ready. `ready`: what is now; None when a pass has been made already. What yields
        goes on in the next, as guests of Rust yield before each wait; when it yields again, the host's own tasks have
        their turn first."""
        for number in range(ready is None, PASSES):
            if self._completions:
                ready = None
                while self._completions:
                    self._completions.pop(0)()
            if ready is None:
                ready = self._ready()
            if not ready:
                return False
            going = ready
            if number > 1:
                going = [thread for thread in ready if not (thread.wait and thread.wait.yields)]
                if not going:
                    return True
            for thread in going:
                if (thread is ready[0] or thread.ready()) and self.blocked in (None, thread):
                    thread.resume()
            ready = None
        return bool(self._completions or self._ready())

    def is_next(self) -> bool:
        """Whether the thread that runs, and lets others go first, would be the next to go on, as nobody else waits and
        nothing lies between it and this loop. Once in a run, as in `_passes`."""
        if self._yielded or self.depth > 1 or self.waiting or self._completions:
            return False
        self._yielded = True
        return True

    def _ready(self) -> list[Thread]:
        if self.blocked is not None:
            return [self.blocked] if self.blocked.ready() else []
        ready = []
        for thread in self.waiting:
            if thread.wait is not None and thread.wait.ready():
                ready.append(thread)  # noqa: PERF401 - to be entered costs more than the rest of a comprehension
        return ready

    def over(self, task: Task) -> None:
        """A task has ended."""
        call = self._calls.pop(task, None)
        if call is not None:
            call.end()

    # Ends.

    def _rest(self) -> None:
        """Nothing is ready. When nothing of the host's can change that, nobody can."""
        if self.externals or self._completions or self._awake:
            return
        for call in self._calls.values():
            if not call.resolved:
                self._stop(trap("deadlock detected: event loop cannot make further progress"))
                return

    def _stop(self, error: BaseException) -> None:
        self._instance.stop()
        self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Ends everything that waits, with this error for the host."""
        calls, self._calls = list(self._calls.values()), {}
        externals, self.externals = list(self.externals), {}
        self._completions.clear()
        self._asked.clear()
        self.close()
        for call in calls:
            call.fail(error)
        for external in externals:
            external.fail(error)
        for given in list(self.given):
            given.drop()

    def close(self) -> None:
        """Ends all threads where they are."""
        waiting = self.waiting.copy()
        self.waiting.clear()
        for thread in waiting:
            thread.close()
