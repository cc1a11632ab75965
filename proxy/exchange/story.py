"""What stages tell of one exchange, where somebody asked for it (`sluice explain`, `sluice inspect`).

An exchange whose `trace` is a list is told: each stage adds its part when the request reaches it, so they stand
outermost first, and completes it while the exchange goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from proxy.exchange.body import Body, Stream
from proxy.exchange.message import Request, Response
from proxy.exchange.observation import Observation, Value, text
from proxy.http.fields import Fields

SAMPLE = 1 << 20
"""Bytes kept of a body."""

Head = tuple[str, ...]
"""The first line of a message and its field lines, as text."""


@dataclass(slots=True)
class Sample:
    """The beginning of a body, and how long all of it was. ended: nothing of it is still to come."""

    data: bytearray = field(default_factory=bytearray)
    size: int = 0
    ended: bool = False

    @property
    def whole(self) -> bytes | None:
        """The body, if all of it was kept."""
        return bytes(self.data) if self.ended and self.size == len(self.data) else None

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self.data += chunk[: max(0, SAMPLE - len(self.data))]


@dataclass(slots=True)
class StepStory:
    """One call into a filter. verdict: next, reply STATUS, transform, leave. wrote: each edit, in words."""

    step: str
    verdict: str
    remembered: bool
    microseconds: int
    read: list[tuple[Observation, Value]]
    wrote: list[str]


@dataclass(slots=True)
class FilterStory:
    """request, response, body: before the filter and after it, where they passed through. log: level and line.
    failure: "" when there was none."""

    name: str
    steps: list[StepStory] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    failure: str = ""
    request: tuple[Head, Head] | None = None
    response: tuple[Head, Head] | None = None
    body: tuple[Sample, Sample] | None = None
    body_microseconds: int = 0


@dataclass(slots=True)
class CacheStory:
    """key: the target URI as seen here. reason: of what was stored when the request came. variants: how many were
    under the key. selecting: what the response depends on besides its key, with the values of this request. outcome:
    the member of `Cache-Status`; "" when the exchange ended before there was one."""

    name: str
    key: str
    reason: str = ""
    variants: int = 0
    outcome: str = ""
    selecting: list[tuple[Observation, Value | bytes]] = field(default_factory=list)


@dataclass(slots=True)
class EndStory:
    """The stage that answered: forward, serve or respond. status: None when it did not. What `forward` sent, and what
    the origin answered: request, answer, body."""

    stage: str
    name: str
    status: int | None = None
    microseconds: int = 0
    request: Head = ()
    answer: Response | None = None
    body: Sample = field(default_factory=Sample)


StageStory = FilterStory | CacheStory | EndStory


class Tapped:
    """A body that is sampled while it is read. over: called once, at its end or when its reader leaves."""

    def __init__(self, inner: Stream, sample: Sample, over: Callable[[], None] = lambda: None) -> None:
        self._inner, self._sample, self._over = inner, sample, over
        self._open = True

    @property
    def length(self) -> int | None:
        return self._inner.length

    @property
    def trailers(self) -> Fields | None:
        return self._inner.trailers

    async def read(self) -> bytes:
        chunk = await self._inner.read()
        if chunk:
            self._sample.add(chunk)
        else:
            self._sample.ended = True
            self._end()
        return chunk

    def close(self) -> None:
        self._inner.close()
        self._end()

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._over()


def tapped(body: Body, sample: Sample, over: Callable[[], None] = lambda: None) -> Body:
    """The body, which is sampled when it is read."""
    if not isinstance(body, bytes):
        return Tapped(body, sample, over)
    sample.add(body)
    sample.ended = True
    over()
    return body


def head_of(message: Request | Response) -> Head:
    """As a filter or the stage below gets it; notes and tags are shown though they are never sent."""
    lines = tuple([f"{text(name)}: {text(value)}" for name, value in message.fields.lines])
    if isinstance(message, Request):
        return (f"{message.method} {url_of(message)}", *lines, *(f"(note) {n}: {v}" for n, v in message.notes.items()))
    return (str(message.status), *lines, *(f"(tag) {tag}" for tag in message.tags))


def url_of(request: Request) -> str:
    return f"{request.scheme}://{request.authority}{request.target}"
