"""What is answered inside of Wasm is what the host would have answered, and leaves the same behind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from proxy.component import decode
from proxy.exchange import Exchange, Request, Response
from proxy.exchange.observation import Reads
from proxy.exchange.story import FilterStory
from proxy.http.fields import Fields
from proxy.sandbox import Engine, Limits, PoolExhausted, Trap
from proxy.sluice.checks import Refused
from proxy.sluice.program import Program
from proxy.sluice.run import Run
from proxy.sluice.session import Session
from tests.component.guests import BUILT
from tests.hostile.conftest import engine
from tests.sluice.scripted import (
    ALLOCATES_OUTSIDE,
    ALLOCATION_TRAPS,
    ASK,
    FUNCTIONS,
    LAST,
    NAME_OUTSIDE,
    PLAIN,
    RESULT_OUTSIDE,
    RESULT_UNALIGNED,
    VALUE_OUTSIDE,
    Call,
    guest,
    script,
)

__all__ = ["engine"]

FAILURES = (Trap, Refused, PoolExhausted)
NAMES = ("accept", "Accept", "host", "cookie", "x-a", "X-A", "q", "é", "no such", "", "content-length", "x" * 70)
VALUES = ("1", "", " spaced ", "two words", "tab\tin", "line\nbreak", "ü", "x" * 5000, "/path", "PUT", "é" * 40)
TWISTS = (NAME_OUTSIDE, VALUE_OUTSIDE, RESULT_UNALIGNED, RESULT_OUTSIDE, ALLOCATES_OUTSIDE, ALLOCATION_TRAPS)

calls = st.lists(
    st.builds(
        Call,
        st.sampled_from(FUNCTIONS) | st.sampled_from((*ASK, "request.set-header", "response.set-header")),
        st.sampled_from(NAMES[:7]) | st.sampled_from(NAMES),
        st.sampled_from(VALUES[:4]) | st.sampled_from(VALUES),
        st.sampled_from((PLAIN, PLAIN, PLAIN, PLAIN, LAST)) | st.sampled_from((PLAIN, PLAIN, *TWISTS)),
        st.sampled_from((0, 1, 3, 4, 200, 404)),
    ),
    max_size=8,
)
exchanges = st.lists(
    st.tuples(
        st.sampled_from(("/", "/a", "/b")),
        st.sampled_from((None, "q=1", "q=%C3%A9&x=2")),
        st.lists(st.sampled_from([(b"accept", b"*/*"), (b"x-a", b"\xff1"), (b"x-a", b""), (b"cookie", b"q=1; x-a=2")])),
        st.booleans(),
    ),
    min_size=3,
    max_size=5,
)


def program(
    engine: Engine,
    down: Sequence[Call],
    up: Sequence[Call],
    opening: Sequence[Call] = (),
    *,
    lens: bool,
    **options: Any,
) -> Program:
    config = {"down": script(down), "up": script(up), "open": script(opening)}
    return Program("f", decode(guest()), engine, config=config, limits=Limits(time=5), lens=lens, **options)


Exchanges = Sequence[tuple[str, str | None, list[tuple[bytes, bytes]], bool]]


def transcript(made: Program, asked: Exchanges) -> Iterator[object]:
    """All that an exchange through a filter leaves behind, its memory among it."""
    for path, query, lines, traced in asked:
        request = Request("GET", "http", "a", path, query, Fields(lines), Exchange())
        request.exchange.trace = [] if traced else None
        reads: Reads = {}
        request.observers = ((reads, frozenset()),)
        session = Session(made, request)
        try:
            session.on_request()
            yield state(session, reads)
            session.on_response(Response(200, Fields([*lines, (b"server", b"o")]), b"body", ("given",)))
            yield state(session, reads)
            session.open_body()
            yield state(session, reads)
        except FAILURES as error:
            kind = error.kind if isinstance(error, Trap) else None
            yield type(error), str(error), kind, state(session, reads)
        finally:
            if traced:
                yield [told(story) for story in request.exchange.trace or ()]
            session.close()


def state(session: Session, reads: Reads) -> object:
    run, seat = session._run, session._seat
    seen: tuple[object, ...] = ()
    if run is not None and seat is not None:
        memory = seat.instance.open(0).memory
        request = vars_of(run.request, "method", "authority", "path", "query", "fields", "notes", "observers")
        response = run.response and vars_of(run.response, "status", "fields", "tags")
        edits = list(run.request_edits), list(run.response_edits)
        seen = (
            list(run.reads.items()),
            edits,
            run._request_written,
            run._response_written,
            run.pure,
            run._left,
            run._left_to_ask,
            request,
            response,
        )
        seen = *seen, bytes(memory.refresh())
    return seen, list(reads), session.remembered, session.ran


def vars_of(message: object, *names: str) -> list[object]:
    return [getattr(message, name) for name in names]


def told(story: object) -> object:
    assert isinstance(story, FilterStory)
    steps = [(each.step, each.verdict, each.remembered, each.read, each.wrote) for each in story.steps]
    return story.log, steps, story.request, story.response


TWO_SPELLINGS = [Call("request.header", "x-a"), Call("request.header", "X-A")]
"""Of one field: asked for once, as far as the bounds go."""


UP = [Call("response.status"), Call("response.header", "server"), Call("response.set-header", "x-a", "1")]
"""What is known of one step answers in no other."""


@pytest.mark.parametrize("options", [{"pooled": True}, {"memo": False}, {}], ids=["pooled", "fresh", "remembered"])
def test_nobody_can_tell_where_calls_are_answered(engine: Engine, options: dict[str, bool]) -> None:
    @settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
    @given(calls, calls, calls, exchanges)
    @example(TWO_SPELLINGS, [], [], [("/", None, [], False)] * 3)
    @example([], UP, UP, [("/", None, [], False)] * 3)
    def same(down: list[Call], up: list[Call], opening: list[Call], asked: Exchanges) -> None:
        made = [program(engine, down, up, opening, lens=lens, **options) for lens in (True, False)]
        try:
            assert [each._linked.inlays for each in made] == [True, False]
            assert list(transcript(made[0], asked)) == list(transcript(made[1], asked))
        finally:
            for each in made:
                each.close()
                each._linked.close()

    same()


def test_the_host_is_asked_until_it_is_known(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    down = [Call("request.header", "Accept"), Call("request.set-header", "x-said", twist=LAST), Call("request.path")]
    up = [Call("response.status"), Call("response.header", "server"), Call("response.set-header", "x-up", "1")]
    made = program(engine, down, up, lens=True, memo=False)
    asked = [("/a", None, [(b"accept", b"text/html")], False), ("/b", "q", [(b"accept", b"image/png")], False)]
    list(transcript(made, asked * 2))
    for function in ("read", "read_response", "edit_request", "edit_response"):
        monkeypatch.delattr(Run, function)
    session = Session(made, Request("GET", "http", "a", "/c", None, Fields([(b"accept", b"*/*")]), Exchange()))
    session.on_request()
    assert session.request.fields.get(b"x-said") == b"*/*"
    session.on_response(Response(404, Fields([(b"server", b"o")])))
    assert session.response is not None
    assert session.response.fields.lines == [(b"server", b"o"), (b"x-up", b"1")]
    session.close()
    made.close()


def test_what_is_not_plain_is_refused_when_it_is_written(engine: Engine) -> None:
    """Not at the end of the step: what the guest would have done after that does not happen."""
    down = [Call("request.set-header", "x-a", twist=LAST), Call("request.path"), Call("request.header", "x-in"),
            Call("request.set-header", "x-a", twist=LAST), Call("request.cookie", "never")]  # fmt: skip
    made = program(engine, down, [], lens=True, memo=False)
    for value in (b"1", b"2", b"3"):
        session = Session(made, Request("GET", "http", "a", "/", None, Fields([(b"x-in", value)]), Exchange()))
        session.on_request()
        session.close()
    session = Session(made, Request("GET", "http", "a", "/", None, Fields([(b"x-in", b"a\x00b")]), Exchange()))
    with pytest.raises(Trap) as trap:
        session.on_request()
    assert isinstance(trap.value.__cause__, Refused)
    assert session._run is not None
    assert ("cookie", "never") not in session._run.reads
    session.close()
    made.close()


@pytest.mark.parametrize("path", BUILT, ids=lambda path: str(path.stem))
def test_the_shipped_filters_are_answered_in_wasm(engine: Engine, path: Path) -> None:
    made = Program("f", decode(path.read_bytes()), engine, config={}, limits=Limits())
    assert made._linked.inlays
    made.close()
