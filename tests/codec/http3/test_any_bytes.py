"""Whatever bytes a client sends on its streams, there are events, or an end with a code."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.codec.events import Data
from tests.codec.http3.talk import GET, SETTINGS, Talk, frame, headers, integer, section

PIECES = st.one_of(
    st.binary(max_size=30),
    st.builds(frame, st.integers(0, 16), st.binary(max_size=30)),
    st.integers(0, 1 << 20).map(integer),
    st.sampled_from((headers(*GET), frame(0, b"body"), SETTINGS, section(*GET), headers((b"x", b"y")))),
)
STREAMS = st.lists(st.tuples(st.sampled_from((0, 2, 4, 6, 8)), PIECES, st.booleans()), max_size=8)


@given(STREAMS)
@settings(max_examples=60, deadline=None)
def test_any_bytes(sent: list[tuple[int, bytes, bool]]) -> None:
    talk, ended, begun = Talk(greet=False), set[int](), set[int]()
    for number, piece, end in sent:
        if number in ended or number in talk.stops or talk.client._close_event is not None:
            continue
        if number not in begun and any(each > number and (each - number) % 4 == 0 for each in begun):
            continue  # a client opens its streams in order, and one of aioquic 1.7 insists on it
        begun.add(number)
        if end:
            ended.add(number)
        for event in talk.write(piece, number=number, end=end):
            if isinstance(event, Data):
                talk.server.consumed(event.stream, len(event.data))
    assert talk.server.over == (talk.closed is not None)
