"""Programs of guests, made up while they run, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.conformance.oracle.operations import CALLS, NUMBER, OPERATIONS, READ_INTO, WRITE_FROM

Words = tuple[int, int, int, int]
CALLBACK, STACKFUL, SYNC, TAKE = "callback", "stackful", "sync", "take"
WAIT, EXIT, YIELD = 2, 0, 1
MAX_PROGRAMS = 6
RETURNED = 2

KINDS = {
    "stream.read": "stream r", "stream.cancel-read": "stream r", "stream.drop-readable": "stream r",
    "stream.write": "stream w", "stream.cancel-write": "stream w", "stream.drop-writable": "stream w",
    "future.read": "future r", "future.cancel-read": "future r", "future.drop-readable": "future r",
    "future.write": "future w", "future.cancel-write": "future w", "future.drop-writable": "future w",
    "waitable-set.wait": "set", "waitable-set.poll": "set", "waitable-set.drop": "set",
    "subtask.cancel": "subtask", "subtask.drop": "subtask", "call take": "stream r",
}  # fmt: skip
"""What the first argument of an operation is a handle of."""
WAITABLE = ("subtask", "stream r", "stream w", "future r", "future w")
RARE = {
    "exit",
    "thread.yield",
    "backpressure.inc",
    "load",
    "stream.new",
    "future.new",
    "waitable-set.new",
    "waitable-set.drop",
}
PRIME = 47
"""At least as many as there are operations: each stride then leads through all of them."""
BLOCKED = 0xFFFFFFFF
DROPPED, SUBTASK, CANCELLED = 1, 1, 6


class Step(NamedTuple):
    """A guest's program (`program`) was told the results of its last operation, and what to do next (`order`)."""

    program: int
    results: tuple[int, int, int]
    order: Words

    def __str__(self) -> str:
        name = [*OPERATIONS, *CALLS][self.order[0]].name
        return f"program {self.program}: had {self.results}, does {name} {self.order[1:]}"


@dataclass
class Table:
    """Handles of one component instance, as its programs know them."""

    handles: dict[str, list[int]] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    """Ends that are being copied from or to, and subtasks that have not ended."""
    over: set[int] = field(default_factory=set)
    """Ends that may only be dropped any more, and subtasks that have ended."""
    held_back: int = 0
    filled: list[int] = field(default_factory=list)
    """Where in memory something may have been copied to."""

    def known(self, kind: str) -> list[int]:
        return self.handles.setdefault(kind, [])


@dataclass
class Program:
    """`mode`: how the function that runs it is lifted."""

    mode: str
    table: Table
    returned: bool = False
    cancelled: bool = False
    pending: tuple[str, Words] = ("", (0, 0, 0, 0))
    steps: int = 0


class Programs:
    """All programs of one run, made of `choices`: three numbers for each step. When there are none left, each comes to
    its end."""

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = choices
        self._next = 0
        caller, self._callee = Table(), Table()
        self._programs = [Program(STACKFUL, caller)]
        self.trace: list[Step] = []

    def next(self, number: int, r: int, p: int, q: int) -> Words:
        program = self._programs[number]
        self._learn(number, program, r, p, q)
        order = self._decide(number, program)
        self.trace.append(Step(number, (r, p, q), order))
        return order

    def _learn(self, number: int, program: Program, r: int, p: int, q: int) -> None:
        """What came of the last operation."""
        name, order = program.pending
        table = program.table
        program.steps += 1
        if program.steps == 1 and program.mode == TAKE:
            table.known("stream r").append(r)
        resumed = program.mode in (CALLBACK, TAKE) and name == "exit"
        event = r if resumed or name in ("waitable-set.wait", "waitable-set.poll") else 0
        program.cancelled |= event == CANCELLED
        if 0 < event < CANCELLED:
            self._came(table, p, q, subtask=event == SUBTASK)
        kind, _, action = name.partition(".")
        action = action.removesuffix(" async")
        if action in ("read", "write") or action.startswith("cancel-"):
            table.busy.add(order[1])
            if r != BLOCKED:
                self._came(table, order[1], r, subtask=False)
            if kind == "future" and r != BLOCKED and r != 2:
                table.over.add(order[1])
        elif name.startswith("subtask.cancel") and r != BLOCKED:
            table.over.add(order[1])
        elif kind == "backpressure":
            table.held_back += 1 if action == "inc" else -1
        if action == "new":
            if kind == "waitable-set":
                table.known("set").append(r)
            else:
                table.known(f"{kind} r").append(r)
                table.known(f"{kind} w").append(p)
        elif "drop" in action:
            _forget(table.known(KINDS[name]), order[1])
            table.busy.discard(order[1])
            table.over.discard(order[1])
        elif name.startswith("call "):
            if name == "call take":
                _forget(table.known("stream r"), order[2])
            if r >> 4:
                table.known("subtask").append(r >> 4)
                table.over.discard(r >> 4)
        elif name in ("task.return", "task.cancel"):
            program.returned = True

    def _came(self, table: Table, handle: int, result: int, *, subtask: bool) -> None:
        """An event, or what would have been one."""
        if subtask:
            table.over |= {handle} if result >= RETURNED else set()
        else:
            table.busy.discard(handle)
            table.over |= {handle} if result & 0xF == DROPPED else set()

    def _decide(self, number: int, program: Program) -> Words:
        if self._next + 3 > len(self._choices):
            return self._end(program)
        which, first, second = self._choices[self._next : self._next + 3]
        self._next += 3
        possible = OPERATIONS if number else [*OPERATIONS, *CALLS]
        stride = 1 + which // PRIME % (PRIME - 1)
        for place in ((which + stride * offset) % PRIME for offset in range(PRIME)):
            if place >= len(possible):
                continue
            name = possible[place].name
            if name in RARE and first % 3:
                continue
            order = self._order(name, program, first, second)
            if order is not None:
                program.pending = name, order
                return order
        return self._end(program)

    def _order(self, name: str, program: Program, first: int, second: int) -> Words | None:
        """An operation with arguments; None when there is nothing that it could be done to."""
        table, number = program.table, NUMBER[name]
        wrong = first % 31 == 30
        action = name.removesuffix(" async")
        if name == "exit":
            return self._leave(program, first, wrong=wrong)
        if name == "load":
            return (number, table.filled[first % len(table.filled)], 0, 0) if table.filled else None
        if name.startswith(("call ", "wait ")):
            return self._call(name, program, first)
        if action == "waitable.join":
            handles = [handle for kind in WAITABLE for handle in table.known(kind)]
            handles = [handle for handle in handles if handle in table.busy] or handles
            sets = [0, *table.known("set")]
            return (number, handles[first % len(handles)], sets[second % len(sets)], 0) if handles else None
        if action in KINDS:
            handles = [handle for handle in table.known(KINDS[action]) if self._may(action, table, handle) or wrong]
            if not handles and not wrong:
                return None
            anything = wrong and (second >> 3) % 2
            handle = second % 8 if anything or not handles else handles[first % len(handles)]
            reads = action.endswith("read")
            at = (READ_INTO if reads else WRITE_FROM) + second % 40
            table.filled += [at, at + 1] if reads else []
            return number, handle, at, (0, 1, 2, 3, 8, second % 5)[second % 6]
        if name == "task.cancel" and not program.cancelled and not wrong:
            return None
        if name == "backpressure.dec" and not table.held_back and not wrong:
            return None
        if name == "task.return" and (program.mode == SYNC or program.returned) and not wrong:
            return None
        return number, first % 100, 0, 0

    def _may(self, action: str, table: Table, handle: int) -> bool:
        kind, _, action = action.partition(".")
        if kind == "subtask":
            return (handle in table.over) is (action == "drop")
        if action in ("read", "write"):
            return handle not in table.busy | table.over
        if action.startswith("cancel-"):
            return handle in table.busy
        if action == "drop-writable" and kind == "future":
            return handle in table.over
        return handle not in table.busy

    def _leave(self, program: Program, first: int, *, wrong: bool) -> Words | None:
        if program.mode in (CALLBACK, TAKE):
            sets = program.table.known("set")
            if sets and first % 3:
                return 0, sets[first % len(sets)] << 4 | WAIT, 0, 0
            if first % 2:
                return 0, YIELD, 0, 0
        return (0, 0, 0, 0) if program.returned or program.mode == SYNC or wrong else None

    def _call(self, name: str, program: Program, first: int) -> Words | None:
        if len(self._programs) >= MAX_PROGRAMS:
            return None
        end = 0
        if name == "call take":
            ends = [end for end in program.table.known("stream r") if self._may("stream.read", program.table, end)]
            if not ends:
                return None
            end = ends[first % len(ends)]
        self._programs.append(Program(name.split()[1], self._callee))
        return NUMBER[name], len(self._programs) - 1, end, 0

    def _end(self, program: Program) -> Words:
        """Its last steps: it returns, or confirms that it was cancelled, and leaves."""
        name = "exit"
        if not program.returned and program.mode != SYNC:
            name = "task.cancel" if program.cancelled else "task.return"
        order = NUMBER[name], 0, 0, 0
        program.pending = name, order
        return order


def _forget(handles: list[int], handle: int) -> None:
    if handle in handles:
        handles.remove(handle)
