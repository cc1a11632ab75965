"""No unkeyed input: whatever the stages below read, an answer through caches is the answer without them.

The stages are random programs over the accessors that filters have: they read, branch on what they read, write what
they read into other fields, and answer by it or go on to an origin that is honest in its Vary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cache.memory import MemoryStore
from proxy.chain.stage import Below, Handler, Stage, link
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.eager import start
from proxy.exchange.observation import Observation, Value, observed, value_of, written
from proxy.http.fields import Fields
from proxy.stages.cache import Cache
from tests.cache.scene import NOON

VALUES = ("1", "2")
ASKING = ("if-none-match", "range", "if-range")

T = TypeVar("T")


@dataclass(frozen=True)
class Read:
    """Go on with `same` if the value is this, else with `other`."""

    observation: Observation
    value: Value
    same: Node
    other: Node


@dataclass(frozen=True)
class Write:
    """Put all that was read so far, or a constant, into a field, a note or the path."""

    target: tuple[str, str]
    constant: bool
    then: Node


@dataclass(frozen=True)
class Answer:
    """Without asking below."""


@dataclass(frozen=True)
class Down:
    """Ask below. late: read once there is a response."""

    late: Observation


Node = Read | Write | Answer | Down

OFTEN = (("header", "x-a"), ("header", "x-b"), ("cookie", "a"), ("cookie", "b"), ("note", "n"))
SELDOM = (
    ("method", ""), ("path", ""), ("query", ""), ("authority", ""), ("query-param", "a"), ("header", "host"),
    ("header", "cookie"), ("client-address", ""), ("headers", ""), ("scheme", ""),
)  # fmt: skip
TARGETS = (("header", "x-a"), ("header", "x-b"), ("header", "cookie"), ("note", "n"), ("path", ""))


def _observation(random: Random) -> Observation:
    return random.choice(OFTEN if random.random() < 0.8 else SELDOM)


def _program(random: Random, depth: int = 3) -> Node:
    kind = random.random()
    if depth and kind < 0.5:
        value = random.choice((None, *VALUES))
        return Read(_observation(random), value, _program(random, depth - 1), _program(random, depth - 1))
    if depth and kind < 0.8:
        return Write(random.choice(TARGETS), random.random() < 0.3, _program(random, depth - 1))
    return Answer() if kind > 0.95 else Down(_observation(random))


@dataclass
class Filter:
    program: Node
    name: str

    async def __call__(self, request: Request, below: Below) -> Response:
        node, seen, down = self.program, "", request
        while True:
            match node:
                case Read():
                    value = self._read(down, node.observation)
                    seen += f"{value};"
                    node = node.same if value == node.value else node.other
                case Write():
                    down = _written(down, node.target, "w" if node.constant else seen)
                    node = node.then
                case Answer():
                    head = request.method == "HEAD"
                    return Response(200, Fields([(b"cache-control", b"max-age=50")]), b"" if head else seen.encode())
                case Down():
                    response = (await below(down)).copy()
                    seen += f"{self._read(down, node.late)};"
                    response.fields.set(self.name.encode(), seen.encode())
                    return response

    def _read(self, request: Request, observation: Observation) -> Value:
        """A read of everything also shows what a cache above asks with; that is its own."""
        observed(request, observation)
        value = value_of(request, observation)
        return tuple(line for line in value if line[0] not in ASKING) if isinstance(value, tuple) else value


def _written(request: Request, target: tuple[str, str], value: str) -> Request:
    down = request.copy()
    match target:
        case ("header", name):
            down.fields.set(name.encode(), value.encode())
        case ("note", name):
            down.notes = {**down.notes, name: value}
        case _:
            down.path = "/" + str(len(value))
    written(down, frozenset((target,)))
    return down


@dataclass
class Origin:
    """Answers by the target and the fields in its Vary; honours If-None-Match, and Range and If-Range if it `parts`."""

    vary: list[str]
    parts: bool = False

    async def __call__(self, request: Request, below: Below) -> Response:
        selected = [request.path, request.query, *(request.fields.get(name.encode()) for name in self.vary)]
        body = repr(selected).encode()
        etag = b'"%s"' % body.replace(b'"', b"'").replace(b" ", b"")
        fields = Fields([(b"cache-control", b"max-age=50"), (b"etag", etag)])
        if self.vary:
            fields.append(b"vary", ", ".join(self.vary).encode())
        if request.fields.get(b"if-none-match") == etag:
            return Response(304, fields)
        wanted = request.fields.get(b"range")
        if self.parts and wanted and request.method == "GET" and request.fields.get(b"if-range") in (None, etag):
            begin, end = _bounds(wanted, len(body))
            fields.append(b"content-range", b"bytes %d-%d/%d" % (begin, end - 1, len(body)))
            return Response(206, fields, body[begin:end])
        return Response(200, fields, b"" if request.method == "HEAD" else body)


def _bounds(wanted: bytes, length: int) -> tuple[int, int]:
    first, _, last = wanted.removeprefix(b"bytes=").partition(b"-")
    if not first:
        return max(0, length - int(last)), length
    return int(first), min(int(last) + 1, length) if last else length


RANGES = (b"bytes=0-3", b"bytes=2-9", b"bytes=4-", b"bytes=-5", b"bytes=3-3", b"bytes=-99")
"""Of bodies of at least ten bytes."""


@dataclass(frozen=True)
class Asked:
    """One request, and how many seconds after the one before it comes."""

    later: int
    method: str
    path: str
    query: str | None
    cookies: tuple[str | None, str | None]
    fields: tuple[str | None, str | None]
    client: str

    def request(self) -> Request:
        fields = Fields()
        for name, value in zip((b"x-a", b"x-b"), self.fields, strict=True):
            if value is not None:
                fields.append(name, value.encode())
        cookies = [f"{n}={v}" for n, v in zip("ab", self.cookies, strict=True) if v is not None]
        if cookies:
            fields.append(b"cookie", "; ".join(cookies).encode())
        return Request(self.method, "http", "a", self.path, self.query, fields, Exchange(client=self.client))


def _asked(random: Random) -> Asked:
    def seldom(usual: T, *others: T) -> T:
        return random.choice(others) if random.random() < 0.1 else usual

    one_of = (None, *VALUES)
    return Asked(
        later=seldom(0, 20, 60),
        method=seldom("GET", "HEAD"),
        path=seldom("/", "/1"),
        query=seldom(None, "a=1", "a=2"),
        cookies=(random.choice(one_of), random.choice(one_of)),
        fields=(random.choice(one_of), random.choice(one_of)),
        client=seldom("1", "2"),
    )


PLACES = [(True, False, False), (False, True, False), (True, True, False), (True, False, True), (True, True, True)]
"""Above the first filter, above the second, above the origin."""

_OWN = (b"age", b"date", b"cache-status", b"content-length")


def _now(handler: Handler, request: Request) -> Response:
    """Nothing here waits."""
    response = start(handler(request))
    assert isinstance(response, Response)
    return response


def _answer(handler: Handler, request: Request) -> object:
    response = _now(handler, request)
    return response.status, [line for line in response.fields.lines if line[0] not in _OWN], response.body


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 2**32))
def test_an_answer_through_caches_is_the_answer_without(seed: int) -> None:
    random = Random(seed)
    vary = random.sample(["x-a", "x-b", "cookie"], random.choice((0, 0, 1, 2)))
    first, second, caches = _program(random), _program(random), random.choice(PLACES)
    now = NOON
    stages: list[Stage] = [Filter(first, "x-first"), Filter(second, "x-second"), Origin(vary)]
    cached: list[Stage] = []
    for place, (here, stage) in enumerate(zip(caches, stages, strict=True)):
        if here:
            store = MemoryStore(1_000_000)
            cached.append(Cache(str(place), store, max_object_size=10_000, clock=lambda: now))
        cached.append(stage)
    with_caches, without = link(cached), link(stages)
    for _ in range(20):
        asked = _asked(random)
        now += asked.later
        assert _answer(with_caches, asked.request()) == _answer(without, asked.request()), (first, second, caches, vary)


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32))
def test_a_part_through_caches_is_a_part_of_the_answer_without(seed: int) -> None:
    """Some ask for ranges: what they get is as many bytes of what the stages answer when nobody cuts anything out."""
    random = Random(seed)
    vary = random.sample(["x-a", "x-b", "cookie"], random.choice((0, 0, 1)))
    program, now = _program(random), NOON
    cache = Cache("c", MemoryStore(1_000_000), max_object_size=10_000, clock=lambda: now)
    with_caches = link([cache, Filter(program, "x-first"), Origin(vary, parts=True)])
    without = link([Filter(program, "x-first"), Origin(vary)])
    for _ in range(20):
        asked = replace(_asked(random), path="/longer")
        now += asked.later
        request, same = asked.request(), asked.request()
        if random.random() < 0.6:
            wanted = random.choice(RANGES)
            request.fields.append(b"range", wanted)
            same.fields.append(b"range", wanted)
        got, whole = _now(with_caches, request), _now(without, same)
        assert isinstance(whole.body, bytes)
        assert isinstance(got.body, bytes)
        if got.status == 206 and asked.method == "GET":
            begin, end = _bounds(wanted, len(whole.body))
            assert got.body == whole.body[begin:end]
            assert got.fields.get(b"content-range") == b"bytes %d-%d/%d" % (begin, end - 1, len(whole.body))
        elif got.status != 416 or len(whole.body) > 9:
            assert (got.status, got.body) == (whole.status, whole.body)
        own = (*_OWN, b"content-range")
        if got.status != 416:
            assert {line for line in got.fields if line[0] not in own} == set(whole.fields)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32))
def test_what_nobody_read_has_no_effect_on_a_hit(seed: int) -> None:
    random = Random(seed)
    program, asked = _program(random), replace(_asked(random), method="GET")
    if any(repr(wildcard) in repr(program) for wildcard in (("headers", ""), ("header", "cookie"))):
        return
    cache = Cache("c", MemoryStore(1_000_000), max_object_size=10_000, clock=lambda: NOON)
    handler = link([cache, Filter(program, "x-first"), Origin([])])
    _now(handler, asked.request())
    other = asked.request()
    other.fields.append(b"cookie", b"unread=1")
    other.fields.append(b"user-agent", random.choice((b"x", b"y")))
    response = _now(handler, other)
    assert response.fields.get(b"cache-status") == b"c; hit; ttl=50"
