"""Right by construction: for every shipped filter, a chain with memo and caches answers exactly as one without.

Random requests go through three chains with the same filters: `plain` runs every filter afresh, `remembered` keeps
the memo on, `cached` has caches above and between as well. The origin's answer depends on the URI and on what the
filters write, which it names in Vary, and on nothing else of the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from copy import copy
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.cache.key import PLAIN, Keying
from proxy.cache.memory import MemoryStore
from proxy.cache.policy import Rules
from proxy.chain.stage import Below, Handler, Stage, link
from proxy.component import decode
from proxy.exchange import Exchange, Request, Response, collect
from proxy.http.fields import Fields
from proxy.http.query import Names, QueryRule
from proxy.sandbox import Limits
from proxy.sluice.memo import Memo
from proxy.sluice.program import Program
from proxy.stages.cache import Cache
from proxy.stages.filter import Filter
from proxy.telemetry import FilterTally
from tests.compiled import no_copy
from tests.integration.site import BUILT, engine

CONFIGS: dict[str, dict[str, Any]] = {
    "headers": {
        "request": {"set": {"x-written": "h"}, "append": {"x-more": "1"}},
        "response": {"append": {"x-b": "2"}},
    },
    "redirects": {"/old": {"to": "/new", "status": 301}, "/blog/*": {"to": "/b/*", "status": 308}},
    "api-key": {"header": "x-api-key", "query": "key", "keys": ["k1", "k2"]},
    "ab-split": {"experiment": "e", "header": "x-written", "weights": {"a": 1, "b": 1}},
    "html-inject": {"snippet": "<i>"},
    "security-headers": {},
}


@cache
def program(name: str) -> Program:
    component = decode((BUILT / f"{name}.wasm").read_bytes())
    return Program(name, component, engine(), config=CONFIGS[name], limits=Limits(time=5.0))


def filters(names: Sequence[str], memo: bool) -> list[Stage]:
    stages: list[Stage] = []
    for name in names:
        linked = copy(program(name))
        linked.memo = Memo() if memo else None
        stages.append(Filter(linked, FilterTally(name), fail_open=False))
    return stages


async def origin(request: Request, below: Below) -> Response:
    """What it answers follows from the URI and the field that filters write, which it says."""
    written = request.fields.get(b"x-written") or b"-"
    body = b"<html><head></head>" + request.target.encode() + b" " + written
    fields = Fields([(b"content-type", b"text/html"), (b"cache-control", b"max-age=60"), (b"vary", b"x-written")])
    return Response(200, fields, b"" if request.method == "HEAD" else body)


def cached(stages: Sequence[Stage], keying: Keying = PLAIN, origin: Stage = origin) -> Handler:
    """A cache above each filter."""
    interleaved: list[Stage] = []
    clock, rules = (lambda: 1000.0), Rules(ttl=60)
    for index, stage in enumerate(stages):
        store = MemoryStore(1 << 20)
        above = Cache(f"c{index}", store, max_object_size=1 << 16, clock=clock, rules=rules, keying=keying)
        interleaved += [above, stage]
    return link([*interleaved, origin])


def answer(handler: Handler, wanted: tuple[Any, ...]) -> tuple[Any, ...]:
    method, target, client, headers = wanted
    path, mark, query = target.partition("?")
    request = Request(method, "http", "h", path, query if mark else None, Fields(headers), Exchange(client=client))

    async def ask() -> tuple[Any, ...]:
        response = await handler(request)
        body = await collect(response.body, 1 << 20)
        # What a cache adds, and what says how the message travels.
        ours = (b"cache-status", b"age", b"date", b"content-length")
        return response.status, sorted(line for line in response.fields.lines if line[0] not in ours), body

    return asyncio.run(ask())


values = st.sampled_from([b"", b"1", b"k1", b"k2", b"e=a", b"e=b", b"e=c; x=1", b"\xff"])
names = st.sampled_from([b"x-api-key", b"cookie", b"user-agent", b"accept-language", b"x-other"])
requests = st.tuples(
    st.sampled_from(["GET", "GET", "GET", "HEAD"]),
    st.sampled_from(["/", "/old", "/blog/a", "/blog/a?key=k1", "/x?key=k2", "/x?key=no", "/x?key="]),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
    st.lists(st.tuples(names, values), max_size=4),
)


@no_copy
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    chosen=st.lists(st.sampled_from(sorted(CONFIGS)), min_size=1, max_size=3, unique=True),
    asked=st.lists(requests, min_size=2, max_size=15),
)
def test_memo_and_caches_change_no_answer(chosen: list[str], asked: list[tuple[Any, ...]]) -> None:
    plain = link([*filters(chosen, memo=False), origin])
    remembered = link([*filters(chosen, memo=True), origin])
    with_caches = cached(filters(chosen, memo=True))
    for wanted in asked:
        expected = answer(plain, wanted)
        assert answer(remembered, wanted) == expected
        assert answer(with_caches, wanted) == expected


KEYING = Keying(
    query=QueryRule(ignore=Names.of(["utm_*"]), sort=True), languages=("en", "de"), vary=frozenset(("x-device",))
)


async def mirror(request: Request, below: Below) -> Response:
    """Answers by all that it sees of what the key options are about, and is silent about the device."""
    seen = (request.fields.get(name) or b"-" for name in (b"accept-language", b"x-device", b"x-written"))
    body = b" ".join([request.target.encode(), *seen])
    fields = Fields([(b"cache-control", b"max-age=60"), (b"vary", b"accept-language, x-written")])
    return Response(200, fields, b"" if request.method == "HEAD" else body)


def in_its_place(stage: Stage) -> Stage:
    """A stage that gets the request that stands for all that are alike."""

    async def canonical(request: Request, below: Below) -> Response:
        return await stage(KEYING.canonical(request), below)

    return canonical


pairs = st.sampled_from(["q=1", "q=2", "utm_x=1", "utm_y=<script>", "key=k1", "%75tm_z=1", "Utm_x=1"])
languages = st.sampled_from([b"de", b"de-CH, en;q=0.5", b"en, de", b"fr", b"fr, de;q=0.1"])
alike = st.tuples(
    st.sampled_from(["GET", "GET", "HEAD"]),
    st.lists(pairs, max_size=4).map(lambda given: "/x?" + "&".join(given)),
    st.just("192.0.2.1"),
    st.lists(
        st.tuples(st.just(b"accept-language"), languages)
        | st.tuples(st.sampled_from([b"x-device", b"cookie"]), st.sampled_from([b"a", b"e=a"])),
        max_size=3,
    ),
)


@no_copy
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    chosen=st.lists(st.sampled_from(["ab-split", "api-key", "headers"]), min_size=1, max_size=2, unique=True),
    asked=st.lists(alike, min_size=2, max_size=15),
)
def test_key_options_leave_no_input_without_key(chosen: list[str], asked: list[tuple[Any, ...]]) -> None:
    """Whatever came before, a request is answered as the one that stands for all that are alike would be."""
    plain = link([*map(in_its_place, filters(chosen, memo=False)), mirror])
    with_caches = cached(filters(chosen, memo=True), KEYING, mirror)
    for wanted in asked:
        assert answer(with_caches, wanted) == answer(plain, wanted)


@no_copy
@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(sorted(CONFIGS)), first=requests, second=requests)
def test_requests_that_differ_only_in_what_is_not_read_share_an_entry(
    name: str, first: tuple[Any, ...], second: tuple[Any, ...]
) -> None:
    """The second request is the first with other unread fields: found out by recording the reads."""
    reads: dict[tuple[str, str], None] = {}
    asked_below: list[Request] = []

    async def counting(request: Request, below: Below) -> Response:
        asked_below.append(request)
        return await below(request)

    stages = filters([name], memo=True)

    async def recording(request: Request, below: Below) -> Response:
        seen = request.copy()
        seen.observers = (*request.observers, (reads, frozenset()))
        return await below(seen)

    store = MemoryStore(1 << 20)
    above = Cache("c", store, max_object_size=1 << 16, clock=lambda: 1000.0, rules=Rules(ttl=60))
    handler = link([above, counting, recording, *stages, origin])
    method, target, client, headers = first
    once = answer(handler, first)
    read_fields = {argument.encode() for accessor, argument in reads if accessor == "header"}
    read_fields |= {b"cookie" for accessor, _ in reads if accessor == "cookie"}
    kept = [line for line in headers if line[0] in read_fields]
    other = [line for line in second[3] if line[0] not in read_fields]
    read_client = any(accessor == "client-address" for accessor, _ in reads)
    again = answer(handler, (method, target, client if read_client else second[2], kept + other))
    assert again == once
    stored = once[0] == 200 and method == "GET" and not any(line[0] == b"set-cookie" for line in once[1])
    if stored:
        assert len(asked_below) == 1
