"""A run: what one instance sees of one exchange, and a record of what it did.

The host functions (`interface`) answer from here. Each call into the guest is a *step*; for each step the run keeps
what was read (with the value the message had when the filter got it) and the edits made, which is all that a memo
needs to stand in for the step next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from proxy.exchange import Request, Response
from proxy.exchange.observation import (
    Observation,
    Source,
    Value,
    observed,
    source_of,
    text,
    value_of,
    written,
)
from proxy.sluice.checks import ASKED, MOST_ASKED, MOST_WRITTEN, Refused
from proxy.sluice.edits import Edit, Edits
from proxy.sluice.settings import Settings
from proxy.telemetry import GuestLog

if TYPE_CHECKING:
    from proxy.sluice.glass import Glass

_NO_VIEW: Final = memoryview(b"")
_NOTHING: Final[frozenset[int]] = frozenset()
_NO_SOURCES: Final[frozenset[Source]] = frozenset()

RESPONSE = "response."
"""Prefix of the accessors that read the response: ("response.header", "vary")."""


def response_value(response: Response, observation: Observation) -> Value:
    """What a read of the response yields."""
    accessor, argument = observation
    if accessor == "response.status":
        return str(response.status)
    if accessor == "response.headers":
        return tuple((text(name), text(value)) for name, value in response.fields.lines)
    value = response.fields.get(argument.encode())
    return None if value is None else text(value)


def seen(observation: Observation, request: Request, response: Response | None) -> Value:
    """What a read, of either message, yields."""
    if observation[0].startswith(RESPONSE):
        assert response is not None  # reads of the response are only made in steps that have one
        return response_value(response, observation)
    return value_of(request, observation)


def weight(observation: Observation) -> int:
    """What it takes to remember that it was asked for."""
    return ASKED + len(observation[1])


def _joined(known: frozenset[Source], more: frozenset[Source]) -> frozenset[Source]:
    return known | more if known else more


class Run:
    """request, response: as the guest left them so far. Everything it did since `begin` is in the other attributes.

    pure: nothing but getters, setters, config and silent logging was called since the instance was made.
    told: None, or where lines of the guest's are added whatever their level (for the story of the exchange).
    glass: what answers in Wasm during the step that runs (`glass`), by way of the memory `view`; shown: what it showed.
    """

    __slots__ = (
        "_asked",
        "_left",
        "_left_to_ask",
        "_request_given",
        "_request_written",
        "_response_given",
        "_response_written",
        "glass",
        "guest_log",
        "pure",
        "reads",
        "request",
        "request_edits",
        "response",
        "response_edits",
        "settings",
        "shown",
        "told",
        "view",
    )  # fmt: skip

    def __init__(self, request: Request, settings: Settings, guest_log: GuestLog) -> None:
        self.request = self._request_given = request
        self.response: Response | None = None
        self._response_given: Response | None = None
        self.settings = settings
        self.guest_log = guest_log
        self.pure = True
        self.told: list[tuple[str, str]] | None = None
        self._request_written = _NO_SOURCES
        self._response_written = _NO_SOURCES
        self._left = MOST_WRITTEN
        self._asked: dict[Observation, None] = {}
        self._left_to_ask = MOST_ASKED
        self.glass: Glass | None = None
        self.view: memoryview = _NO_VIEW
        self.shown: tuple[Value, ...] = ()
        self.begin()

    def begin(self) -> None:
        """A new step: forget the record, keep the messages."""
        self.reads: dict[Observation, Value] = {}
        self.request_edits: list[Edit] = []
        self.response_edits: list[Edit] = []

    def give_response(self, response: Response) -> None:
        """The stages below have answered."""
        self.response = self._response_given = response

    def read(self, observation: Observation) -> Value:
        """A getter of the request."""
        value = value_of(self.request, observation)
        # What the guest itself wrote follows from what it read before; it is not an input.
        if source_of(observation) not in self._request_written:
            self._ask(observation)
            observed(self.request, observation)
            if observation not in self.reads:
                given = self._request_given
                self.reads[observation] = value if given is self.request else value_of(given, observation)
        return value

    def read_response(self, observation: Observation) -> Value:
        """A getter of the response. Raises Refused (a trap, as the WIT says) while there is none."""
        if self.response is None or self._response_given is None:
            raise Refused("there is no response yet: it can be read from on-response on")
        if observation not in self.reads and observation not in self._response_written:
            self._ask(observation)
            self.reads[observation] = response_value(self._response_given, observation)
        return response_value(self.response, observation)

    def _ask(self, observation: Observation) -> None:
        """It is kept from now on, for the memo and the caches above."""
        if observation in self._asked:
            return
        self._left_to_ask -= weight(observation)
        if self._left_to_ask < 0:
            raise Refused(f"more than {MOST_ASKED} bytes of names were asked for")
        self._asked[observation] = None

    def edit_request(self, edit: Edit) -> None:
        """A setter of the request."""
        self._spend(edit)
        if self.request is self._request_given:
            self.request = self._request_given.copy()
        edit.edit_request(self.request)
        self.request_edits.append(edit)
        replaces = edit.replaces
        if replaces is not None and replaces not in self._request_written:
            self._request_written |= {replaces}
            if self.request.observers:
                written(self.request, frozenset((replaces,)))

    def edit_response(self, edit: Edit) -> None:
        """A setter of the response."""
        if self.response is None:
            raise Refused("there is no response yet: it can be changed from on-response on")
        self._spend(edit)
        if self.response is self._response_given:
            self.response = self.response.copy()
        edit.edit_response(self.response)
        self.response_edits.append(edit)
        replaces = edit.replaces
        if replaces is not None and replaces not in self._response_written:
            self._response_written |= {replaces}

    def _spend(self, edit: Edit) -> None:
        self._left -= edit.size
        if self._left < 0:
            raise Refused(f"more than {MOST_WRITTEN} bytes of names and values were written")

    # What was answered in Wasm (`glass`): as above, but known to be right, and within the bounds.

    def has_room(self, written: int, asked: int) -> bool:
        """Whether so many bytes more may be written, and be asked for."""
        return self._left >= written and self._left_to_ask >= asked

    def hidden(self, sources: Sequence[Source | None]) -> frozenset[int]:
        """Which of them the guest has written: reads of those are no observations."""
        written = self._request_written, self._response_written
        if not written[0] and not written[1]:
            return _NOTHING
        return frozenset(index for index, source in enumerate(sources) if source in written[0] or source in written[1])

    def show(self, observations: Sequence[Observation], values: tuple[Value, ...]) -> None:
        """What the guest is going to be told if it asks. What it is then recorded with is what was there before it
        wrote anything."""
        if self.request is not self._request_given or self.response is not self._response_given:
            values = tuple([seen(each, self._request_given, self._response_given) for each in observations])
        self.shown = values

    def observe(self, observations: Sequence[Observation], values: Sequence[Value], weight: int) -> None:
        """Getters were answered; with the values that are recorded, and what the observations weigh together."""
        if self._asked.keys().isdisjoint(observations):
            self._asked.update(dict.fromkeys(observations))
            self._left_to_ask -= weight
        else:
            for observation in observations:
                self._ask(observation)
        if self.request.observers:
            for observation in observations:
                if not observation[0].startswith(RESPONSE):
                    observed(self.request, observation)
        if not self.reads:
            self.reads = dict(zip(observations, values, strict=True))
            return
        for observation, value in zip(observations, values, strict=True):
            self.reads.setdefault(observation, value)

    def take_request_edits(self, taken: Edits) -> None:
        """Setters of the request were called."""
        self._left -= taken.size
        self.request = taken.request(self.request)
        self.request_edits += taken.edits
        self._request_written = _joined(self._request_written, taken.sources)
        if self.request.observers and taken.sources:
            written(self.request, taken.sources)

    def take_response_edits(self, taken: Edits) -> None:
        """Setters of the response, which is there, were called."""
        assert self.response is not None
        self._left -= taken.size
        self.response = taken.response(self.response)
        self.response_edits += taken.edits
        self._response_written = _joined(self._response_written, taken.sources)

    def taint(self) -> None:
        """Something was asked for that a later run may be told otherwise: the time, a random number."""
        self.pure = False

    def print(self, stream: str, line: str) -> None:
        """A line that the guest wrote to its standard output or error."""
        if self.told is not None:
            self.told.append((stream, line))
        self.guest_log.log("info", f"{stream}: {line}", self.request.exchange.id)

    def log(self, level: str, message: str) -> None:
        """`sluice:filter/log`."""
        if self.told is not None:
            self.told.append((level, message))
        if self.guest_log.enabled(level):
            # A line that is written is an effect; a memo would swallow it.
            self.pure = False
            self.guest_log.log(level, message, self.request.exchange.id)
