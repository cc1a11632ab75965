"""Bytes of frames in, events and bytes out. Hostile input first."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.events import End, Event, RequestHead, Reset
from proxy.codec.http2.server import Http2Server
from proxy.codec.limits import Limits
from proxy.errors import ProxyError
from proxy.http.fields import Fields
from tests.codec.http2.talk import Talk
from tests.codec.http2.wire import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HEADERS,
    HELLO,
    PADDED,
    PING,
    POST,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    Reader,
    block,
    data,
    frame,
    headers,
    rst_stream,
    settings,
    window_update,
)

OVER = {
    "another preface": (b"GET / HTTP/1.1\r\n", "GOAWAY 0 PROTOCOL_ERROR"),
    "no settings first": (PREFACE + headers(1, GET), "GOAWAY 0 PROTOCOL_ERROR"),
    "an acknowledgement first": (PREFACE + frame(SETTINGS, ACK, 0), "GOAWAY 0 PROTOCOL_ERROR"),
    "a stream of ours": (HELLO + headers(2, GET), "GOAWAY 0 PROTOCOL_ERROR"),
    "stream 0": (HELLO + headers(0, GET), "GOAWAY 0 PROTOCOL_ERROR"),
    "a stream that goes back": (HELLO + headers(3, GET) + headers(1, GET), "GOAWAY 3 STREAM_CLOSED"),
    "a request behind its end": (HELLO + headers(1, GET) + headers(1, GET), "GOAWAY 1 STREAM_CLOSED"),
    "data behind its end": (HELLO + headers(1, GET) + data(1, b"x"), "GOAWAY 1 STREAM_CLOSED"),
    "data of nothing": (HELLO + data(1, b"x"), "GOAWAY 0 PROTOCOL_ERROR"),
    "data behind a reset": (
        HELLO + headers(1, POST, end=False) + rst_stream(1) + data(1, b""),
        "GOAWAY 1 STREAM_CLOSED",
    ),
    "a frame that is too long": (HELLO + frame(DATA, 0, 1, bytes(16385)), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "a push": (HELLO + frame(PUSH_PROMISE, 4, 1, bytes(4)), "GOAWAY 0 PROTOCOL_ERROR"),
    "continuation of nothing": (HELLO + frame(CONTINUATION, 4, 1, block(GET)), "GOAWAY 0 PROTOCOL_ERROR"),
    "a frame within a section": (
        HELLO + frame(HEADERS, END_STREAM, 1, block(GET)) + frame(PING, 0, 0, bytes(8)),
        "GOAWAY 0 PROTOCOL_ERROR",
    ),
    "another stream within a section": (
        HELLO + frame(HEADERS, END_STREAM, 1, block(GET)) + frame(CONTINUATION, END_HEADERS, 3),
        "GOAWAY 0 PROTOCOL_ERROR",
    ),
    "a block that is none": (HELLO + frame(HEADERS, 5, 1, b"\x80"), "GOAWAY 0 COMPRESSION_ERROR"),
    "more padding than frame": (HELLO + frame(HEADERS, 5 | PADDED, 1, b"\x05abc"), "GOAWAY 0 PROTOCOL_ERROR"),
    "padded without padding": (HELLO + frame(HEADERS, 5 | PADDED, 1), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "half a priority": (HELLO + frame(HEADERS, 5 | WITH_PRIORITY, 1, bytes(4)), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "a reset of nothing": (HELLO + rst_stream(1), "GOAWAY 0 PROTOCOL_ERROR"),
    "a reset of three bytes": (HELLO + frame(RST_STREAM, 0, 1, bytes(3)), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "a window of nothing": (HELLO + window_update(1, 1), "GOAWAY 0 PROTOCOL_ERROR"),
    "a window by nothing": (HELLO + window_update(0, 0), "GOAWAY 0 PROTOCOL_ERROR"),
    "a window by nothing on a stream": (HELLO + headers(1, GET) + window_update(1, 0), "GOAWAY 1 PROTOCOL_ERROR"),
    "a window beyond all bounds": (HELLO + window_update(0, 2**31 - 1), "GOAWAY 0 FLOW_CONTROL_ERROR"),
    "a first window beyond all bounds": (HELLO + settings({4: 2**31}), "GOAWAY 0 FLOW_CONTROL_ERROR"),
    "frames too small": (HELLO + settings({5: 16383}), "GOAWAY 0 PROTOCOL_ERROR"),
    "a ping of seven bytes": (HELLO + frame(PING, 0, 0, bytes(7)), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "a ping on a stream": (HELLO + frame(PING, 0, 1, bytes(8)), "GOAWAY 0 PROTOCOL_ERROR"),
    "settings on a stream": (HELLO + frame(SETTINGS, 0, 1), "GOAWAY 0 PROTOCOL_ERROR"),
    "settings of five bytes": (HELLO + frame(SETTINGS, 0, 0, bytes(5)), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "a goaway on a stream": (HELLO + frame(GOAWAY, 0, 1, bytes(8)), "GOAWAY 0 PROTOCOL_ERROR"),
    "a window update of three bytes": (HELLO + frame(WINDOW_UPDATE, 0, 0, bytes(3)), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "a priority on itself": (HELLO + frame(PRIORITY, 0, 1, b"\0\0\0\1\0"), "GOAWAY 0 PROTOCOL_ERROR"),
}


@pytest.mark.parametrize(("wire", "said"), OVER.values(), ids=OVER.keys())
def test_what_ends_the_connection(wire: bytes, said: str) -> None:
    codec = Http2Server(Limits())
    *_, error = codec.receive(wire, 0.0)
    assert isinstance(error, ProxyError)
    assert codec.over
    assert Reader().read(codec.take())[-1] == said
    assert codec.receive(headers(1, GET), 0.0) == []


def test_a_window_beyond_all_bounds_ends_its_stream() -> None:
    talk = Talk()
    assert isinstance(talk.receive(headers(1, GET) + window_update(1, 2**31 - 1))[-1], Reset)
    assert talk.said() == ["1 RST_STREAM FLOW_CONTROL_ERROR"]


def test_a_section_in_pieces() -> None:
    talk, whole = Talk(), block(GET)
    wire = frame(HEADERS, END_STREAM | WITH_PRIORITY, 1, bytes(5) + whole[:3])
    wire += frame(CONTINUATION, 0, 1, whole[3:9]) + frame(CONTINUATION, END_HEADERS, 1, whole[9:])
    assert [type(event) for event in talk.receive(wire)] == [RequestHead, End]


def test_windows_are_given_back_as_bodies_are_read() -> None:
    talk = Talk()
    talk.receive(headers(1, POST, end=False) + data(1, bytes(16384)) * 8)
    assert talk.said() == []
    talk.codec.consumed(1, 131_000)
    assert talk.said() == []
    talk.codec.consumed(1, 72)
    assert talk.said() == ["1 WINDOW_UPDATE 131072"]


# Answers.


def test_a_body_goes_as_far_as_the_windows() -> None:
    talk = Talk()
    talk.receive(settings({4: 5}) + headers(1, GET) + headers(3, GET))
    for number in (1, 3):
        stream = talk.codec.streams[number]
        talk.codec.send_fields(stream, [(b":status", b"200")], end=False)
        talk.codec.send(stream, b"abcdefgh", end=True)
    assert talk.said() == ["1 HEADERS :status=200", "3 HEADERS :status=200", "1 DATA abcde", "3 DATA abcde"]
    talk.receive(window_update(3, 2))
    assert talk.said() == ["3 DATA fg"]
    talk.receive(settings({4: 6}))
    assert talk.said() == ["1 DATA f", "3 DATA h END"]
    talk.receive(settings({4: 0}) + window_update(1, 1))
    assert talk.said() == []
    talk.receive(window_update(1, 10))
    assert talk.said() == ["1 DATA gh END"]
    assert not talk.codec.streams


def test_streams_take_turns() -> None:
    talk = Talk()
    talk.receive(settings({4: 1 << 20}) + window_update(0, 1 << 20) + headers(1, GET) + headers(3, GET))
    for number in (1, 3):
        stream = talk.codec.streams[number]
        talk.codec.send_fields(stream, [(b":status", b"200")], end=False)
        talk.codec.send(stream, bytes(40_000), end=True)
    order = [said.split()[0] for said in talk.said() if "DATA" in said]
    assert order == ["1", "3", "1", "3", "1", "3"]


def test_an_answer_without_the_rest_of_its_request() -> None:
    talk = Talk()
    talk.receive(headers(1, POST, end=False))
    talk.answer(1)
    assert talk.said() == ["1 RST_STREAM NO_ERROR", "1 HEADERS :status=200 END"][::-1]
    assert talk.receive(data(1, b"on its way", end=True)) == []
    assert talk.receive(headers(3, GET)) != []


def test_who_has_reset_a_stream_sends_nothing_on_it() -> None:
    talk = Talk()
    talk.receive(headers(1, POST, end=False))
    talk.answer(1)
    talk.said()
    talk.receive(rst_stream(1) + data(1, b"x"))
    assert talk.said() == ["GOAWAY 1 STREAM_CLOSED"]


def test_trailers() -> None:
    talk = Talk()
    talk.receive(headers(1, GET))
    stream = talk.codec.streams[1]
    talk.codec.send_fields(stream, [(b":status", b"200")], end=False)
    talk.codec.send(stream, b"x", end=True, trailers=Fields([(b"grpc-status", b"0")]))
    assert talk.said() == ["1 HEADERS :status=200", "1 DATA x", "1 HEADERS grpc-status=0 END"]


def test_trailers_that_would_not_stay_in_their_lines() -> None:
    talk = Talk()
    talk.receive(headers(1, GET))
    stream = talk.codec.streams[1]
    talk.codec.send_fields(stream, [(b":status", b"200")], end=False)
    talk.codec.send(stream, b"", end=True, trailers=Fields([(b"x", b"a\r\nb: c")]))
    assert talk.said() == ["1 HEADERS :status=200", "1 RST_STREAM INTERNAL_ERROR"]


def test_a_section_that_needs_several_frames() -> None:
    talk = Talk()
    talk.receive(headers(1, GET))
    talk.codec.send_fields(talk.codec.streams[1], [(b":status", b"200"), (b"x", b"\x80" * 40_000)], end=True)
    wire = talk.codec.take()
    assert [wire[3], wire[4]] == [HEADERS, END_STREAM]
    assert wire[9 + 16384 + 3] == CONTINUATION


def test_the_end_in_two_steps() -> None:
    talk = Talk()
    talk.receive(headers(1, GET))
    talk.codec.go_away()
    assert talk.said() == ["GOAWAY max NO_ERROR", "PING"]
    assert talk.receive(headers(3, GET)) != []
    talk.receive(frame(PING, ACK, 0, bytes(8)))
    assert talk.codec.ponged
    talk.codec.take_no_more()
    assert talk.said() == ["GOAWAY 3 NO_ERROR"]
    assert talk.receive(headers(5, GET)) == []
    assert not talk.codec.over


# Whatever comes.

SCRIPT = st.lists(
    st.one_of(
        st.builds(frame, st.integers(0, 11), st.integers(0, 255), st.integers(0, 8), st.binary(max_size=20)),
        st.sampled_from(
            [
                headers(1, GET), headers(3, POST, end=False), headers(5, GET), data(3, b"abc"), data(3, b"d", end=True),
                rst_stream(1), rst_stream(3), window_update(0, 100), window_update(3, 100), settings({4: 10}),
                settings({1: 0}), headers(3, [("x", "y")]), frame(PING, 0, 0, bytes(8)),
            ]
        ),
        st.binary(max_size=30),
    ),
    max_size=12,
)  # fmt: skip


@given(SCRIPT, st.lists(st.integers(0, 600)))
def test_the_reads_do_not_matter(script: list[bytes], cuts: list[int]) -> None:
    wire = HELLO + b"".join(script)
    one, many = Http2Server(Limits()), Http2Server(Limits())
    expected = [_plain(event) for event in one.receive(wire, 0.0)]
    at = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    found = [_plain(e) for i, j in itertools.pairwise(at) for e in many.receive(wire[i:j], 0.0)]
    assert found == expected
    assert many.take() == one.take()


def _plain(event: Event) -> object:
    match event:
        case Reset():
            return (str(event.error), event.stream, event.answerable)
        case ProxyError():
            return str(event)
    return event
