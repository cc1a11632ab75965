"""What a filter is likely to ask and write in one of its steps, laid out for the functions that answer in Wasm.

A filter asks the same questions, and writes the same fields, in exchange after exchange. A glass learns them from the
calls that reach the host. Before a step it writes what the answers are this time into a memory beside the guest's
(`lens.wat` reads it); a call that it does not know, or whose answer has changed since, is the host's. Questions that
the guest has asked and what it has written are kept there as a log, which is read when the step is over, and before the
host does anything else for the guest: so observations and edits are those, and in the order, that the host would have
recorded. A guest's step brings about the same few logs again and again, and what each of them says is remembered.

Nothing goes from one exchange to another in that memory: a step is answered from what was written for it, and reads
nothing beyond.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Any, Final

from proxy.exchange.observation import Observation, Source, Value, source_of, text
from proxy.http.fields import Fields
from proxy.http.known import Known
from proxy.sandbox import Trap, TrapKind
from proxy.sluice.checks import ASKED
from proxy.sluice.edits import Edit, Edits
from proxy.sluice.run import RESPONSE, Run, seen, weight
from proxy.sluice.seat import Seat
from proxy.telemetry import GuestLog

LEVELS: Final = ("debug", "info", "warn", "error")
"""The cases of `sluice:filter/log.level`, in order."""

# The memory. It begins with: where the rows are (0: nothing is answered), where the log goes on, how many bytes of it
# are left, an address beyond the guest's memory that its allocator gave, the questions whose answers have changed, the
# levels that nobody logs.
_HEAD: Final = Struct("<III4xQQI")
_HEAD_AT: Final = slice(0, _HEAD.size)
MEMORY_SIZE = 40
LOG: Final = 64
BUDGET: Final = 8 << 10
"""Bytes of a log."""
_SHORT: Final = 128
"""Bytes that most logs have at most."""
DOWN, UP = 0, 1
"""The steps that have a glass."""
_AREAS = (9 << 10, 32 << 10)
"""Where the rows of each are."""
_AREA = 23 << 10

# Rows: how many questions and setters, whose they are; for each question function, argument and its length; for each
# setter also which questions it changes; what they point at; for each question what its answer is, where, how long.
_COUNTS = Struct("<II8x")
_QUESTION = Struct("<III")
_SETTER = Struct("<III4xQ")
_ANSWER = Struct("<III")
MOST = 32
"""Of questions, and of setters."""
_TEXTS = 16 + MOST * (_QUESTION.size + _SETTER.size)
_ANSWERS = 9360
_ROOM = _AREA - _ANSWERS - MOST * _ANSWER.size
HOST, NONE, SOME, UNRECORDED = 0, 1, 2, 4
_SETTER_MARK = 0x8000_0000

LONGEST = 64
"""Bytes of an argument that is kept."""
_LONGEST_FIXED = 4096
_MOST_LOGS = 1024
_LONGEST_LOG: Final = 1024
MOST_ASKED_HERE: Final = MOST * (ASKED + LONGEST)

_word: Final = Struct("<I").unpack_from
_long = Struct("<Q").unpack_from
_log: Final = Struct(f"<I{LOG - 8}x{_SHORT}s").unpack_from
_CLOSED: Final = _HEAD.pack(0, LOG, 0, 0, 0, 0)[:12]
_EMPTY_LOG = _HEAD.pack(0, LOG, BUDGET, 0, 0, 0)[4:12]


@dataclass(frozen=True, slots=True)
class Question:
    """observation: what it reads; None: what never changes, which is `fixed`."""

    function: int
    argument: bytes
    observation: Observation | None
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class Setter:
    """write: from its arguments to what it writes; touches: what reads of it come from."""

    function: int
    argument: bytes
    write: Callable[..., Edit]
    arguments: int
    touches: Source
    on_response: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What a log says: questions by number, what they read and how much that is to remember, and edits."""

    reads: tuple[int, ...]
    observations: tuple[Observation, ...]
    asked: int
    request: Edits
    response: Edits


_NOTHING: Final = Told((), (), 0, Edits(), Edits())


class Glass:
    """Of one step of one filter: number DOWN or UP."""

    def __init__(self, number: int, guest_log: GuestLog) -> None:
        self._number = number
        self._area = _AREAS[number]
        self._guest_log = guest_log
        self._known: set[tuple[int, bytes]] = set()
        self._news: list[Question | Setter] = []
        self._fixed: list[Question] = []
        self._questions: list[Question] = []
        """Those whose answers change: first of the request, then of the response."""
        self._observations: list[Observation] = []
        self._setters: list[Setter] = []
        self._version = 0
        self._speaks = False
        self._rows: list[tuple[int, bytes]] = []
        self._forget()

    def _forget(self) -> None:
        """What follows from questions and setters is to be worked out anew."""
        self._logs: Known[bytes, Told] = Known(_MOST_LOGS)
        self._last, self._told = b"", _NOTHING
        self._images: Known[tuple[Value, ...], bytes] = Known(_MOST_LOGS)
        asked = [(question.observation or ("", "")) for question in self._questions]
        self._observations = asked
        self._of_response = any(name.startswith(RESPONSE) for name, _ in asked)
        self._fields: tuple[dict[bytes, int], dict[bytes, int]] = {}, {}
        """Of the request and of the response: the question that is answered by fields of this name."""
        self._others: list[tuple[int, Observation]] = []
        for index, observation in enumerate(asked):
            name = observation[1].encode()
            fields = self._fields[observation[0] == "response.header"]
            if observation[0] not in ("header", "response.header") or name == b"host" or name in fields:
                self._others.append((index, observation))
            else:
                fields[name] = index
        self._sources = [source_of(each) for each in asked]
        self._head = _HEAD.pack(self._area, LOG, BUDGET, 0, 0, 0)
        self._answers_at = self._area + _ANSWERS + len(self._fixed) * _ANSWER.size

    # Before, during and after a step.

    def arm(self, run: Run, seat: Seat) -> None:
        """Before a step."""
        if self._news:
            self._learn()
        view = seat.view
        if view is None:
            view = seat.look()
        run.glass, run.view = self, view
        if not run.has_room(BUDGET, MOST_ASKED_HERE) or (self._of_response and run.response is None):
            view[:12] = _CLOSED
            return
        if seat.rows[self._number] != self._version:
            for at, data in self._rows:
                view[at : at + len(data)] = data
            seat.rows[self._number] = self._version
        if self._questions:
            self._show(run, view)
        seat.open = True
        if self._speaks and run.told is None:
            enabled = self._guest_log.enabled
            silent = sum(1 << number for number, level in enumerate(LEVELS) if not enabled(level))
            view[_HEAD_AT] = _HEAD.pack(self._area, LOG, BUDGET, 0, 0, silent)
        else:
            view[_HEAD_AT] = self._head

    def _show(self, run: Run, view: memoryview) -> None:
        """What the answers are now."""
        values: list[Value] = [None] * len(self._questions)
        for index, observation in self._others:
            values[index] = seen(observation, run.request, run.response)
        _fill(values, self._fields[0], run.request.fields)
        if self._fields[1]:
            assert run.response is not None
            _fill(values, self._fields[1], run.response.fields)
        hidden = run.hidden(self._sources)
        shown = tuple(values)
        image = None if hidden else self._images.get(shown)
        if image is None:
            image = self._image(shown, hidden)
        run.show(self._observations, shown)
        view[self._answers_at : self._answers_at + len(image)] = image

    def drain(self, run: Run) -> None:
        """Before the host does anything for the guest."""
        end = _word(run.view, 4)[0]
        if end != LOG:
            self._tell(run, bytes(run.view[LOG:end]))
            if run.has_room(BUDGET, MOST_ASKED_HERE):
                run.view[4:12] = _EMPTY_LOG
            else:
                run.view[:12] = _CLOSED

    def close(self, run: Run) -> None:
        """The host has written something: what the answers are is its affair for the rest of the step."""
        run.view[:12] = _CLOSED

    def finish(self, run: Run) -> None:
        """After a step. What is there answers until it is closed (`Seat`), or written anew for the next step."""
        run.glass = None
        read: tuple[int, bytes] = _log(run.view, 4)
        end, log = read
        if end > LOG + _SHORT:
            self._tell(run, bytes(run.view[LOG:end]))
        elif end != LOG:
            self._tell(run, log[: end - LOG])

    def cause(self, run: Run, trap: Trap) -> Trap:
        """What stopped the guest, as the host would have said it."""
        (outside,), (size,) = _long(run.view, 16), _long(run.view, MEMORY_SIZE)
        if not outside or trap.kind is not TrapKind.UNREACHABLE:
            return trap
        text = f"address 0x{outside:x} is outside of the guest's memory of {size} bytes"
        return Trap(TrapKind.ABI, text, trap.backtrace)

    # Learning.

    def asked(self, function: int, argument: str, observation: Observation | None, value: Any) -> None:
        """The host was asked this, and has answered. The observation is None for what never changes."""
        encoded = argument.encode()
        if self._is_new(function, encoded, len(self._fixed) + len(self._questions)):
            if observation is None and value is not None and len(value.encode()) > _LONGEST_FIXED:
                return
            self._news.append(Question(function, encoded, observation, value if observation is None else None))

    def wrote(self, setter: Setter) -> None:
        """The host has been told to write such a thing, and found nothing wrong with it."""
        if self._is_new(setter.function, setter.argument, len(self._setters)):
            self._news.append(setter)

    def spoke(self) -> None:
        """The guest logs."""
        self._speaks = True

    def _is_new(self, function: int, argument: bytes, there: int) -> bool:
        if (function, argument) in self._known or len(argument) > LONGEST or there + len(self._news) >= MOST:
            return False
        self._known.add((function, argument))
        return True

    def _learn(self) -> None:
        for each in self._news:
            if isinstance(each, Setter):
                self._setters.append(each)
            elif each.observation is None:
                self._fixed.append(each)
            else:
                self._questions.append(each)
        self._news = []
        self._questions.sort(key=lambda each: each.observation is not None and each.observation[0].startswith(RESPONSE))
        self._version += 1
        self._forget()
        self._rows = self._lay_out()

    # The memory.

    def _lay_out(self) -> list[tuple[int, bytes]]:
        """Where to write what of all that does not change from step to step."""
        area = self._area
        questions = [*self._fixed, *self._questions]
        texts = bytearray()

        def place(text: bytes) -> int:
            texts.extend(text)
            return area + _TEXTS + len(texts) - len(text)

        asked = [_QUESTION.pack(each.function, place(each.argument), len(each.argument)) for each in questions]
        setters = [
            _SETTER.pack(each.function, place(each.argument), len(each.argument), self._touched(each))
            for each in self._setters
        ]
        answers = []
        for each in self._fixed:
            value = None if each.fixed is None else each.fixed.encode()
            if value is None:
                answers.append(_ANSWER.pack(NONE | UNRECORDED, 0, 0))
            elif _TEXTS + len(texts) + len(value) > _ANSWERS:
                answers.append(_ANSWER.pack(HOST, 0, 0))
            else:
                answers.append(_ANSWER.pack(SOME | UNRECORDED, place(value), len(value)))
        return [
            (area, _COUNTS.pack(len(questions), len(setters)) + b"".join(asked)),
            (area + 16 + MOST * _QUESTION.size, b"".join(setters)),
            (area + _TEXTS, bytes(texts)),
            (area + _ANSWERS, b"".join(answers)),
        ]

    def _touched(self, setter: Setter) -> int:
        """The questions whose answers such a setter changes, as bits."""
        first = len(self._fixed)
        return sum(1 << (first + index) for index, source in enumerate(self._sources) if source == setter.touches)

    def _image(self, values: tuple[Value, ...], hidden: frozenset[int]) -> bytes:
        """Of the answers, followed by what they point at."""
        rows: list[bytes] = []
        texts: list[bytes] = []
        at = self._answers_at + len(values) * _ANSWER.size
        end = self._area + _ANSWERS + _ROOM
        for index, value in enumerate(values):
            if index in hidden:
                rows.append(_ANSWER.pack(HOST, 0, 0))
            elif value is None:
                rows.append(_ANSWER.pack(NONE, 0, 0))
            elif self._observations[index][0] == "response.status":
                rows.append(_ANSWER.pack(SOME, int(str(value)), 0))
            else:
                text = str(value).encode()
                if at + len(text) > end:
                    rows.append(_ANSWER.pack(HOST, 0, 0))
                    continue
                rows.append(_ANSWER.pack(SOME, at, len(text)))
                texts.append(text)
                at += len(text)
        image = b"".join(rows + texts)
        if not hidden and len(image) <= _LONGEST_LOG:
            self._images.keep(values, image)
        return image

    # The log.

    def _tell(self, run: Run, log: bytes) -> None:
        if log != self._last:
            self._last, self._told = log, self._meaning(log)
        told = self._told
        if told.reads:
            shown = run.shown
            run.observe(told.observations, [shown[index] for index in told.reads], told.asked)
        if told.request.edits:
            run.take_request_edits(told.request)
        if told.response.edits:
            run.take_response_edits(told.response)

    def _meaning(self, log: bytes) -> Told:
        told = self._logs.get(log)
        if told is None:
            told = self._read(log)
            if len(log) <= _LONGEST_LOG:
                self._logs.keep(log, told)
        return told

    def _read(self, log: bytes) -> Told:
        reads: dict[int, None] = {}
        edits: tuple[list[Edit], list[Edit]] = [], []
        at = 0
        while at < len(log):
            (entry,) = _word(log, at)
            at += 4
            if not entry & _SETTER_MARK:
                reads[entry - len(self._fixed)] = None
                continue
            setter, length = self._setters[entry >> 16 & 0x7FFF], entry & 0xFFFF
            arguments = (setter.argument.decode(), log[at : at + length].decode())[: setter.arguments]
            at += length
            edits[setter.on_response].append(setter.write(*arguments))
        observations = tuple([self._observations[index] for index in reads])
        asked = sum(
            map(weight, set(observations))
        )  # two questions may be one: names of fields are the same in any case
        return Told(tuple(reads), observations, asked, Edits(edits[False]), Edits(edits[True]))


def _fill(values: list[Value], wanted: Mapping[bytes, int], fields: Fields) -> None:
    """What the fields say that are asked for: one look at each line, however many questions there are."""
    for name, value in fields.lines:
        index = wanted.get(name)
        if index is not None:
            values[index] = text(value) if values[index] is None else text(b", ".join(fields.all(name)))
