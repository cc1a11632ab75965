"""The memo: what it recalls is what a run would have done."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.exchange import Exchange, Request, Response
from proxy.exchange.observation import Observation, Value
from proxy.http.fields import Fields, FixedLines, Line
from proxy.sluice.checks import MOST_WRITTEN, Refused
from proxy.sluice.edits import AddTag, AppendHeader, Edit, RemoveHeader, SetAttribute, SetHeader, SetNote, SetStatus
from proxy.sluice.memo import LARGEST, Leaf, Memo, Root
from proxy.sluice.run import Run
from proxy.sluice.settings import Settings
from proxy.telemetry import GuestLog

READS: list[Observation] = [
    ("header", "a"),
    ("header", "b"),
    ("cookie", "sid"),
    ("path", ""),
    ("headers", ""),
    ("query-param", "q"),
]
RESPONSE_READS: list[Observation] = [("response.status", ""), ("response.header", "a")]


def request(a: str = "", b: str = "", path: str = "/") -> Request:
    fields = Fields([(b"a", a.encode()), (b"b", b.encode()), (b"cookie", f"sid={a}{b}".encode())])
    return Request("GET", "http", "h", path, f"q={b}", fields, Exchange())


def new_run(of: Request) -> Run:
    return Run(of, Settings({}), GuestLog("test"))


def behave(seed: int, run: Run) -> int:
    """A guest: what it reads next, and writes, depends on its seed and on all it has read so far."""
    state = seed
    for _ in range(state % 5):
        reads = READS + (RESPONSE_READS if run.response is not None else [])
        observation = reads[state % len(reads)]
        is_response = observation[0].startswith("response.")
        value = run.read_response(observation) if is_response else run.read(observation)
        state = zlib.crc32(repr((state, value)).encode())
        if state % 3 == 0:
            run.edit_request(SetHeader((b"a", b"%d" % (state % 7)), ("header", "a")))
        elif state % 3 == 1 and run.response is not None:
            run.edit_response(AppendHeader((b"a", b"%d" % (state % 7))))
    return state


def leaf_of(run: Run, result: int) -> Leaf:
    return Leaf(result, run.reads, run.request_edits, run.response_edits)


values = st.sampled_from(["", "0", "1", "2"])


@settings(max_examples=300)
@given(
    seed=st.integers(0, 2**32),
    capacity=st.integers(1, 6),
    asked=st.lists(st.tuples(values, values, st.sampled_from(["/", "/x"]), values), max_size=25),
)
def test_recalled_is_what_a_fresh_run_does(seed: int, capacity: int, asked: list[tuple[str, str, str, str]]) -> None:
    memo = Memo(capacity)
    for a, b, path, status in asked:
        given_request = request(a, b, path)
        response = Response(200 + len(status), Fields([(b"a", status.encode())]))
        run = new_run(given_request)
        root: Root | None = memo.root
        for step in range(2):
            run.begin()
            result = behave(seed + step, run)
            if root is not None:
                leaf = memo.recall(root, given_request, response if step else None)
                if leaf is not None:
                    assert leaf.result == result
                    assert list(leaf.request_edits.edits) == run.request_edits
                    assert list(leaf.response_edits.edits) == run.response_edits
                    assert set(leaf.reads) <= set(run.reads)
                else:
                    leaf = memo.remember(root, run.reads, leaf_of(run, result))
                root = leaf.next if leaf is not None else None
            run.give_response(response)
        assert len(memo) <= capacity


def remember(memo: Memo, of: Request, seed: int = 4) -> Leaf | None:
    run = new_run(of)
    return memo.remember(memo.root, run.reads, leaf_of(run, behave(seed, run)))


def test_a_step_that_reads_nothing_is_recalled_for_every_request() -> None:
    memo = Memo()
    leaf = memo.remember(memo.root, {}, Leaf("same", {}, [], []))
    assert memo.recall(memo.root, request(a="1"), None) is leaf
    assert memo.recall(memo.root, request(a="2"), None) is leaf


def test_the_least_recently_used_leaf_goes_first() -> None:
    memo = Memo(capacity=2)
    for a in "12":
        memo.remember(memo.root, {("header", "a"): a}, Leaf(a, {("header", "a"): a}, [], []))
    assert memo.recall(memo.root, request(a="1"), None) is not None
    memo.remember(memo.root, {("header", "a"): "3"}, Leaf("3", {}, [], []))
    assert memo.recall(memo.root, request(a="1"), None) is not None
    assert memo.recall(memo.root, request(a="2"), None) is None
    assert memo.recall(memo.root, request(a="3"), None) is not None
    assert len(memo) == 2


def test_with_the_last_leaf_its_branches_go() -> None:
    memo = Memo(capacity=1)
    memo.remember(memo.root, {("header", "a"): "1", ("path", ""): "/"}, Leaf(1, {}, [], []))
    memo.remember(memo.root, {("header", "a"): "2", ("path", ""): "/"}, Leaf(2, {}, [], []))
    assert len(memo) == 1
    first = memo.root.first
    assert first is not None
    assert not isinstance(first, Leaf)
    assert list(first.edges) == ["2"]


def test_dropping_a_leaf_drops_the_steps_after_it() -> None:
    memo = Memo(capacity=2)
    first = memo.remember(memo.root, {}, Leaf(1, {}, [], []))
    assert first is not None
    for path in ("/a", "/b"):
        memo.remember(first.next, {("path", ""): path}, Leaf(path, {}, [], []))
    # Three leaves were one too many; the first was the oldest, and the others cannot be reached without it.
    assert len(memo) == 0 or memo.recall(memo.root, request(), None) is None


def test_a_contradiction_forgets_instead_of_lying() -> None:
    memo = Memo()
    memo.remember(memo.root, {("header", "a"): "1"}, Leaf(1, {}, [], []))
    assert memo.remember(memo.root, {("path", ""): "/"}, Leaf(2, {}, [], [])) is None
    assert memo.recall(memo.root, request(a="1"), None) is None
    assert len(memo) == 0


def test_what_is_too_large_is_not_remembered() -> None:
    memo = Memo()
    huge = "x" * LARGEST
    assert memo.remember(memo.root, {("header", "a"): huge}, Leaf(1, {}, [], [])) is None
    reply = Response(200, Fields(), huge.encode() + b"y")
    assert memo.remember(memo.root, {}, Leaf(reply, {}, [], [])) is None
    absent: dict[Observation, Value] = {("note", str(number)): None for number in range(100)}
    assert memo.remember(memo.root, absent, Leaf(1, absent, [], [])) is None
    empty: list[Edit] = [AppendHeader((b"a", b""))] * 100
    assert memo.remember(memo.root, {}, Leaf(1, {}, empty, [])) is None
    assert len(memo) == 0


def test_writes_of_nothing_end_too() -> None:
    run = new_run(request())
    run.give_response(Response(200, Fields()))

    def write() -> None:
        for _ in range(MOST_WRITTEN):
            run.edit_response(AddTag(""))

    with pytest.raises(Refused, match="were written"):
        write()


lines = st.lists(st.tuples(st.sampled_from([b"a", b"b", b"via"]), st.sampled_from([b"", b"1", b"2"])), max_size=4)
line_edits = st.lists(
    st.one_of(
        st.builds(
            lambda name, value: SetHeader((name, value), ("header", name.decode())),
            st.sampled_from([b"a", b"b"]),
            st.sampled_from([b"3", b"4"]),
        ),
        st.just(AppendHeader((b"a", b"5"))),
        st.sampled_from([RemoveHeader(name, ("header", name.decode())) for name in (b"a", b"b")]),
    ),
    min_size=1,
    max_size=4,
)


@given(stays=lines, leaves=st.lists(line_edits, min_size=1, max_size=3), order=st.lists(st.integers(0, 2), max_size=6))
def test_edits_of_lines_that_stay_are_made_once(stays: list[Line], leaves: list[list[Edit]], order: list[int]) -> None:
    """Whatever filters make of the lines of a stored response, or of what a client says again and again, one after the
    other, and in turns."""
    kept = [Leaf(None, {}, each, each) for each in leaves]
    stored = FixedLines(list(stays))
    for which in order:
        leaf = kept[which % len(kept)]
        expected = Response(200, Fields(stays))
        for edit in leaf.response_edits.edits:
            edit.edit_response(expected)
        for given_fields in (Fields(stored), Fields(stays)):
            response = leaf.response_edits.response(Response(200, given_fields))
            again = leaf.response_edits.response(Response(200, given_fields))
            assert (again.fields.lines is response.fields.lines) == (given_fields.fixed is stored)
            asked = Request("GET", "http", "h", "/", None, given_fields, Exchange())
            for changed in (response.fields, leaf.request_edits.request(asked).fields):
                assert changed == expected.fields
        assert stored.lines == stays


def test_edits_of_more_than_lines_are_made_each_time() -> None:
    given_response = Response(200, Fields(FixedLines([(b"a", b"1")])))
    edits: list[Edit] = [SetStatus(404), AddTag("t"), SetHeader((b"b", b"2"), ("response.header", "b"))]
    response = Leaf(None, {}, [], edits).response_edits.response(given_response)
    assert (response.status, response.tags, response.fields.lines) == (404, ("t",), [(b"a", b"1"), (b"b", b"2")])
    assert (given_response.status, given_response.tags, len(given_response.fields)) == (200, (), 1)
    given_request = request("1")
    edits = [SetAttribute("path", "/x"), SetNote("n", "v"), RemoveHeader(b"a", ("header", "a"))]
    asked = Leaf(None, {}, edits, []).request_edits.request(given_request)
    assert (asked.path, asked.notes, b"a" in asked.fields) == ("/x", {"n": "v"}, False)
    assert (given_request.path, given_request.notes, b"a" in given_request.fields) == ("/", {}, True)


def test_what_came_last_stays_even_where_all_others_were_used() -> None:
    for capacity in (1, 2, 5):
        memo = Memo(capacity)
        for a in map(str, range(20)):
            reads: dict[Observation, Value] = {("header", "a"): a}
            assert memo.remember(memo.root, reads, Leaf(a, reads, [], [])) is not None
            assert memo.recall(memo.root, request(a=a), None) is not None
            assert len(memo) == min(capacity, int(a) + 1)
