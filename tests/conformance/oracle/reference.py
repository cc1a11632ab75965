"""The specification's side: replays a trace on definitions.py.

That code leaves some choices open: which thread goes on, which event is delivered first, whether what is ready waits.
Each is made here as the trace says, so that whatever it cannot follow is a difference.
"""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.conformance.oracle.operations import CALLS, OPERATIONS, PATTERN, RESULT_AT, WRITE_FROM
from tests.conformance.oracle.program import Step, Words

PAGE = 65536
BY_NUMBER = [*OPERATIONS, *CALLS]


class Difference(Exception):
    """What this host did is not what the specification says."""


class Killed(BaseException):
    """Ends a thread that nobody will resume."""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("definitions", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["definitions"] = module  # where its dataclasses look for it
    spec.loader.exec_module(module)
    known: Any = module
    known.DETERMINISTIC_PROFILE = False
    known.Thread.yields = False
    # It asserts that who waits when an end of a future is dropped is a reader: it is always the writer, as a writable
    # end is dropped only after it was written.
    known.WritableBuffer = known.Buffer
    # A synchronous subtask.cancel takes the event that the subtask has begun for its end, and fails.
    known.Subtask.wait_for_pending_event = _wait_for_end
    return module


def _wait_for_end(subtask: Any) -> None:
    subtask.has_sync_waiter = True
    _here.value.current_thread.wait_until(subtask.resolved)
    subtask.has_sync_waiter = False


class Stack:
    """A continuation, on a thread of the interpreter's. What it raises, whoever has resumed it gets."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.go = threading.Semaphore(0)
        self.handler: Any = None
        self.block_result: Any = None
        self.killed = False
        self._function = function
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        self.go.acquire()
        if self.killed:
            return
        _here.value = self.handler
        outcome: Any = None
        try:
            outcome, error = self._function(self.block_result), None
        except BaseException as failure:
            error = failure
        _here.value.answer(None, outcome, error)


class Handler:
    """Whoever has resumed a continuation, and what comes back."""

    def __init__(self, current_thread: Any) -> None:
        self.current_thread = current_thread
        self._back = threading.Semaphore(0)
        self._outcome: tuple[Any, Any, BaseException | None] = (None, None, None)

    def answer(self, stack: Stack | None, outcome: Any, error: BaseException | None = None) -> None:
        self._outcome = stack, outcome, error
        self._back.release()

    def wait(self) -> tuple[Any, Any]:
        self._back.acquire()
        stack, outcome, error = self._outcome
        if error is not None:
            raise error
        return stack, outcome


_here = threading.local()


class Replay:
    """One trace on one set of component instances. Takes the place of what the module has of stacks and of chance."""

    def __init__(self, module: ModuleType, trace: Sequence[Step]) -> None:
        self.module: Any = module
        self._trace = trace
        self._at = 0
        self._stacks: list[Stack] = []
        self.starting = 0
        self.at_once = False
        self.store: Any = None
        module.__dict__.update(
            cont_new=self._new, resume=self._resume, block=self._block, thread_local_handler=_here, random=self
        )

    # Stacks.

    def _new(self, function: Callable[[Any], Any]) -> Stack:
        stack = Stack(function)
        stack.program = self.starting  # type: ignore[attr-defined]
        self._stacks.append(stack)
        return stack

    def _resume(self, stack: Stack, block_result: Any, current_thread: Any) -> tuple[Any, Any]:
        current_thread.program = getattr(stack, "program", getattr(current_thread, "program", 0))
        stack.handler = handler = Handler(current_thread)
        stack.block_result = block_result
        stack.go.release()
        return handler.wait()

    def _block(self, switch_to: Any) -> Any:
        self.at_once = False
        stack = Stack.__new__(Stack)
        stack.go, stack.killed = threading.Semaphore(0), False
        self._stacks.append(stack)
        _here.value.answer(stack, switch_to)
        stack.go.acquire()
        if stack.killed:
            raise Killed
        _here.value = stack.handler
        return stack.block_result

    def close(self) -> None:
        for stack in self._stacks:
            stack.killed = True
            stack.go.release()

    # Chance (`random` of the module).

    def choice(self, threads: list[Any]) -> Any:
        program = self._coming().program if self._at < len(self._trace) else threads[0].program
        for thread in threads:
            if thread.program == program:
                return thread
        raise Difference(f"program {program} cannot go on here; {sorted(each.program for each in threads)} could")

    def first(self, callee: Any, program: int) -> None:
        """Before a call: a task that holds it back, and has what it waited for, may go on (sync-streams.wast wants it,
        and gets it here as in wasmtime; this code of the specification's would have the call wait)."""
        holder = callee.exclusive_thread
        going = self._at < len(self._trace) and holder is not None and holder.ready() and not holder.yields
        if going and self._coming().program == holder.program != program:
            caller = self.module.current_instance()
            callee.enter_from(caller)
            holder.resume()
            callee.leave_to(caller)

    def randint(self, low: int, high: int) -> int:
        """Whether what is ready goes on without letting others go first: here, who waits for an event that is there."""
        return int(self.at_once)

    def shuffle(self, waitables: list[Any]) -> None:
        """Puts first the one whose event the trace has next."""
        if self._at < len(self._trace):
            index = self._coming().results[1]
            handles = self.module.current_instance().handles.array
            wanted = handles[index] if index < len(handles) else None
            waitables.sort(key=lambda each: each is not wanted)

    # The trace.

    def _coming(self) -> Step:
        return self._trace[self._at]

    def next(self, program: int, *results: int) -> Words:
        if self._at == len(self._trace):
            raise Difference(f"program {program} goes on with {results}")
        step = self._coming()
        if (step.program, step.results) != (program, results):
            raise Difference(f"program {program} goes on with {results}, where it is {step}")
        self._at += 1
        return step.order

    def run(self) -> str:
        """How it ended: "" or "trap". Raises Difference."""
        module = self.module
        store = self.store = module.Store()
        root = module.ComponentInstance(store)
        callee, caller = (Side(self, module.ComponentInstance(store, root)) for _ in range(2))
        caller.callee, caller.callee_instance = callee.exports(), callee.instance
        resolved: list[Any] = []
        try:
            store.invoke(caller.exports()["stackful"], lambda: [0], resolved.append)
            while any(thread.ready() for thread in store.waiting):
                store.tick()
        except module.Trap:
            return "trap"
        finally:
            self.close()
        if self._at < len(self._trace):
            raise Difference(f"nothing goes on any more, where it is {self._coming()}")
        return "" if resolved else "trap"  # that nothing goes on is a trap of this host's


class Side:
    """A component instance, its memory, and its guest."""

    def __init__(self, replay: Replay, instance: Any) -> None:
        self._replay = replay
        self._module = module = replay.module
        self.instance = instance
        self._memory = module.MemInst(bytearray(PAGE), "i32")
        self._memory.bytes[WRITE_FROM : WRITE_FROM + len(PATTERN)] = PATTERN
        self.callee: dict[str, Any] = {}
        self.callee_instance: Any = None
        self._u32 = module.U32Type()
        self._types = {"stream": module.StreamType(module.U8Type()), "future": module.FutureType(module.U8Type())}

    def _options(self, **more: Any) -> Any:
        return self._module.CanonicalOptions(memory=self._memory, **more)

    def _type(self, name: str) -> Any:
        ends = [self._types["stream"]] if name == "take" else []
        return self._module.FuncType([self._u32, *ends], [self._u32], async_=True)

    def exports(self) -> dict[str, Any]:
        module = self._module

        def resumed(arguments: list[int]) -> list[int]:
            return [self._loop(module.current_thread().program, *arguments)]

        def callback(arguments: list[int]) -> list[int]:
            return [self._loop(arguments[0], *arguments[1:])]

        def stackful(arguments: list[int]) -> list[int]:
            self._loop(arguments[0])
            return []

        kinds = {
            "callback": (callback, self._options(async_=True, callback=resumed)),
            "take": (callback, self._options(async_=True, callback=resumed)),
            "stackful": (stackful, self._options(async_=True)),
            "sync": (callback, module.CanonicalOptions()),
        }
        return {
            name: self._replay.store.lift(function, self._type(name), options, self.instance)
            for name, (function, options) in kinds.items()
        }

    def _loop(self, program: int, r: int = 0, p: int = 0, q: int = 0) -> int:
        memory = self._memory.bytes
        while True:
            number, a, b, c = self._replay.next(program, r, p, q)
            operation = BY_NUMBER[number]
            r = p = q = 0
            if operation.name == "exit":
                return a
            if operation.name == "load":
                r = memory[a]
                continue
            results = self._perform(operation.name, [a, b, c][: operation.params])
            self._replay.at_once = False
            if operation.result == "i64":
                r, p = results[0] & 0xFFFFFFFF, results[0] >> 32
            elif operation.result:
                r = results[0]
            if operation.result == "event":
                p, q = (int.from_bytes(memory[at : at + 4], "little") for at in (RESULT_AT, RESULT_AT + 4))

    def _perform(self, name: str, arguments: list[int]) -> Any:
        module, memory = self._module, self._memory
        plain = name.removesuffix(" async")
        asynchronous = plain != name
        kind, _, action = plain.partition(".")
        if kind in self._types:
            function = getattr(module, f"canon_{kind}_{action.replace('-', '_')}")
            if action in ("read", "write"):
                return function(self._types[kind], self._options(async_=asynchronous), *arguments)
            if action.startswith("cancel"):
                self._end_partial(arguments[0], reads=action.endswith("read"))
                return function(self._types[kind], asynchronous, *arguments)
            return function(self._types[kind], *arguments)
        if plain.startswith(("call ", "wait ")):
            return self._call(plain.split()[1], arguments, asynchronous=plain.startswith("call"))
        match plain:
            case "task.return":
                return module.canon_task_return([self._u32], module.LiftOptions(memory=memory), arguments)
            case "thread.yield":
                thread = module.current_thread()
                thread.yields = True
                result = module.canon_thread_yield(False)
                thread.yields = False
                return result
            case "waitable-set.wait":
                self._replay.at_once = True
                return module.canon_waitable_set_wait(False, memory, *arguments, RESULT_AT)
            case "waitable-set.poll":
                return module.canon_waitable_set_poll(False, memory, *arguments, RESULT_AT)
            case "subtask.cancel":
                return module.canon_subtask_cancel(asynchronous, *arguments)
        return getattr(module, f"canon_{plain.replace('-', '_').replace('.', '_')}")(*arguments)

    def _end_partial(self, index: int, *, reads: bool) -> None:
        """Cancels what has been copied in part and could go on (cancel-stream.wast wants it, and gets it here as in
        wasmtime; by this code of the specification's that would be complete)."""
        module, handles = self._module, self.instance.handles.array
        end = handles[index] if index < len(handles) else None
        if isinstance(end, module.ReadableStreamEnd if reads else module.WritableStreamEnd):
            buffer = module.WritableBufferGuestImpl if reads else module.ReadableBufferGuestImpl
            if end.has_pending_event() and isinstance(end.shared.pending_buffer, buffer):
                end.shared.cancel()

    def _call(self, name: str, arguments: list[int], *, asynchronous: bool) -> Any:
        self._replay.starting = arguments[0]
        options = self._options(async_=asynchronous)
        self._replay.first(self.callee_instance, arguments[0])
        lowered = self._replay.store.lower(self.callee[name], self._type(name), options, self.instance)
        return lowered([*arguments, RESULT_AT] if asynchronous else arguments)
