"""The client's side: requests out, bytes of an origin in. Hostile input first."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.codec.events import Data, End, Event, Interim, Reset, ResponseHead
from proxy.codec.http2.client import MAX_INTERIM, MAX_SECTION, STREAMS, Http2Client, request_lines
from proxy.codec.http2.session import WINDOW
from proxy.errors import ProxyError
from proxy.http.fields import Fields, Line
from tests.codec.http2 import wire
from tests.codec.http2.wire import (
    ACK,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Reader,
    block,
    data,
    frame,
    headers,
    rst_stream,
    settings,
    window_update,
)

OK: list[wire.Line] = [(":status", "200")]
GET: list[Line] = request_lines("GET", "http", "a", "/", [], 0)


class Talk:
    """An origin's end of the codec."""

    def __init__(self, *methods: str, hello: bytes | None = None) -> None:
        """A request of each method is sent, all but a POST to its end."""
        self.codec = Http2Client()
        self._reader = Reader()
        self.preface = b""
        self.receive(settings() if hello is None else hello)
        self.said()
        for method in methods:
            self.ask(method)
        self.asked = self.said()

    def ask(self, method: str) -> int:
        stream = self.codec.open(method)
        self.codec.send_fields(stream, request_lines(method, "http", "a", "/", [], None), end=method != "POST")
        return stream.id

    def receive(self, data: bytes) -> list[Event]:
        return self.codec.receive(data, 1000.0)

    def said(self) -> list[str]:
        self.codec.pump(1 << 30)
        out = self.codec.take()
        self.preface = self.preface or out[: len(PREFACE)]
        return self._reader.read(out.removeprefix(PREFACE))


def goaway(last: int, code: int = 0) -> bytes:
    return frame(GOAWAY, 0, 0, last.to_bytes(4, "big") + code.to_bytes(4, "big"))


OVER = {
    "HTTP/1.1": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "GOAWAY 0 FRAME_SIZE_ERROR"),
    "a preface of its own": (PREFACE + settings(), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "no settings first": (headers(1, OK), "GOAWAY 0 PROTOCOL_ERROR"),
    "an acknowledgement first": (frame(SETTINGS, ACK, 0), "GOAWAY 0 PROTOCOL_ERROR"),
    "a push": (
        settings() + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(wire.GET)),
        "GOAWAY 0 PROTOCOL_ERROR",
    ),
    "an answer that nobody asked for": (settings() + headers(5, OK), "GOAWAY 0 PROTOCOL_ERROR"),
    "an answer on a stream of the origin's": (settings() + headers(2, OK), "GOAWAY 0 PROTOCOL_ERROR"),
    "a body that nobody asked for": (settings() + data(5, b"x"), "GOAWAY 0 PROTOCOL_ERROR"),
    "a reset of what nobody asked for": (settings() + rst_stream(5), "GOAWAY 0 PROTOCOL_ERROR"),
    "an answer behind an answer": (settings() + headers(1, OK) + headers(1, OK), "GOAWAY 0 STREAM_CLOSED"),
    "a body behind an answer": (settings() + headers(1, OK) + data(1, b"x"), "GOAWAY 0 STREAM_CLOSED"),
    "a block that is none": (settings() + frame(HEADERS, 5, 1, b"\x80"), "GOAWAY 0 COMPRESSION_ERROR"),
    "a frame that is too long": (settings() + frame(0, 0, 1, bytes(16385)), "GOAWAY 0 FRAME_SIZE_ERROR"),
    "more data than the window of its stream": (
        settings() + headers(1, OK, end=False) + data(1, bytes(16384)) * 17,
        "GOAWAY 0 FLOW_CONTROL_ERROR",
    ),
    "a section that does not end": (
        settings() + frame(HEADERS, 0, 1, bytes(16384)) + frame(9, 0, 1, bytes(16384)) * 4,
        "GOAWAY 0 ENHANCE_YOUR_CALM",
    ),
    "a flood of pings": (settings() + frame(PING, 0, 0, bytes(8)) * 1001, "GOAWAY 0 ENHANCE_YOUR_CALM"),
    "a window beyond all bounds": (settings() + window_update(0, 2**31 - 1), "GOAWAY 0 FLOW_CONTROL_ERROR"),
}


@pytest.mark.parametrize(("wire", "said"), OVER.values(), ids=OVER.keys())
def test_what_ends_the_connection(wire: bytes, said: str) -> None:
    talk = Talk("GET", "GET", hello=b"")
    *_, error = talk.receive(wire)
    assert isinstance(error, ProxyError)
    assert error.failure.type == "http_protocol_error"
    assert talk.codec.over
    assert talk.said()[-1] == said
    assert not talk.codec.room
    assert talk.receive(headers(1, OK)) == []


MALFORMED: dict[str, bytes] = {
    "no status": headers(1, [("x", "y")]),
    "two": headers(1, [*OK, *OK]),
    "a status behind a field": headers(1, [("x", "y"), *OK]),
    "a status of two digits": headers(1, [(":status", "20")]),
    "a status that is none": headers(1, [(":status", "600")]),
    "a field of requests": headers(1, [*OK, (":path", "/")]),
    "upper case": headers(1, [*OK, ("X", "y")]),
    "a line feed in a value": headers(1, [*OK, ("x", "a\nb: c")]),
    "a colon in a name": headers(1, [*OK, ("x:", "y")]),
    "two lengths": headers(1, [*OK, ("content-length", "1"), ("content-length", "1")], end=False),
    "a length that is none": headers(1, [*OK, ("content-length", "+1")], end=False),
    "a length without a body": headers(1, [*OK, ("content-length", "1")]),
    "a body shorter than its length": headers(1, [*OK, ("content-length", "2")], end=False) + data(1, b"x", end=True),
    "a body longer than its length": headers(1, [*OK, ("content-length", "2")], end=False) + data(1, b"xyz"),
    "a body of a 204": headers(1, [(":status", "204")], end=False) + data(1, b"x"),
    "a body without a head": data(1, b"x"),
    "a 101": headers(1, [(":status", "101")], end=False),
    "an interim response that ends": headers(1, [(":status", "103")]),
    "interim responses without end": headers(1, [(":status", "103")], end=False) * (MAX_INTERIM + 1),
    "trailers that are not the end": headers(1, OK, end=False) + headers(1, [("x", "y")], end=False),
    "a status in trailers": headers(1, OK, end=False) + headers(1, OK),
    "trailers in front of the end of a body": headers(1, [*OK, ("content-length", "2")], end=False)
    + headers(1, [("x", "y")]),
}


@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_answer_ends_its_stream_alone(malformed: bytes) -> None:
    talk = Talk("GET", "GET")
    events = talk.receive(malformed + headers(3, OK))
    (reset,) = [event for event in events if isinstance(event, Reset)]
    assert (reset.stream, reset.unprocessed, reset.error.failure.type) == (1, False, "http_protocol_error")
    assert "1 RST_STREAM PROTOCOL_ERROR" in talk.said()
    assert [event.status for event in events if isinstance(event, ResponseHead) and event.stream == 3] == [200]
    assert not talk.codec.over


def test_an_answer_to_head_with_a_body() -> None:
    talk = Talk("HEAD")
    events = talk.receive(headers(1, [*OK, ("content-length", "5")], end=False) + data(1, b"hello", end=True))
    assert isinstance(events[-1], Reset)


def test_fields_that_unpack_to_more_than_may_be() -> None:
    """They are read past, as the table goes on; it is the stream that ends."""
    talk = Talk("GET", "GET")
    pairs = (MAX_SECTION // 8000 + 1) * [("x" * 4000, "y" * 4000)]
    whole = block([*OK, *pairs])
    pieces = [whole[at : at + 16384] for at in range(0, len(whole), 16384)]
    flood = frame(HEADERS, END_STREAM, 1, pieces[0]) + b"".join(frame(9, 0, 1, piece) for piece in pieces[1:-1])
    *_, error = talk.receive(flood + frame(9, END_HEADERS, 1, pieces[-1]))
    assert isinstance(error, ProxyError)
    bomb = Talk("GET", "GET")
    literal = b"\x40\1x\x7f\xa1\x1e" + b"y" * 4000  # into the table, and then 40 times out of it
    events = bomb.receive(frame(HEADERS, 5, 1, b"\x88" + literal + b"\xbe" * 40) + headers(3, OK))
    assert [type(event) for event in events] == [Reset, ResponseHead, End]
    assert bomb.said() == ["1 RST_STREAM PROTOCOL_ERROR"]


# Exchanges.


def test_the_beginning() -> None:
    talk = Talk("GET", "POST", hello=b"")
    assert talk.preface == PREFACE
    assert talk.asked == [
        "1 HEADERS :method=GET :scheme=http :authority=a :path=/ END",
        "3 HEADERS :method=POST :scheme=http :authority=a :path=/",
    ]


def test_answers_in_any_order() -> None:
    talk = Talk("GET", "GET", "GET")
    wire = headers(5, OK, end=False) + headers(1, [(":status", "404"), ("x", "y")]) + data(5, b"five", end=True)
    assert talk.receive(wire) == [
        ResponseHead(200, Fields(), None, "2", True, 5),
        ResponseHead(404, Fields([(b"x", b"y")]), 0, "2", True, 1),
        End(None, 1),
        Data(b"five", 5),
        End(None, 5),
    ]
    assert set(talk.codec.streams) == {3}


def test_interim_responses_and_trailers() -> None:
    talk = Talk("POST")
    wire = headers(1, [(":status", "100")], end=False) + headers(1, [(":status", "103"), ("link", "x")], end=False)
    wire += headers(1, OK, end=False) + data(1, b"x") + headers(1, [("grpc-status", "0"), ("content-length", "1")])
    assert talk.receive(wire) == [
        Interim(100, Fields(), 1),
        Interim(103, Fields([(b"link", b"x")]), 1),
        ResponseHead(200, Fields(), None, "2", True, 1),
        Data(b"x", 1),
        End(Fields([(b"grpc-status", b"0")]), 1),
    ]


def test_answers_without_a_body() -> None:
    talk = Talk("HEAD", "GET", "GET")
    events = talk.receive(
        headers(1, [*OK, ("content-length", "5")])
        + headers(3, [(":status", "204"), ("content-length", "0")])
        + headers(5, [(":status", "304"), ("content-length", "5")])
    )
    assert events == [
        ResponseHead(200, Fields([(b"content-length", b"5")]), 0, "2", True, 1),
        End(None, 1),
        ResponseHead(204, Fields(), 0, "2", True, 3),
        End(None, 3),
        ResponseHead(304, Fields([(b"content-length", b"5")]), 0, "2", True, 5),
        End(None, 5),
    ]


def test_fields_of_the_connection_go_no_further() -> None:
    talk = Talk("GET")
    (head, _) = talk.receive(headers(1, [*OK, ("te", "trailers"), ("x", "y")]))
    assert isinstance(head, ResponseHead)
    assert head.fields.lines == [(b"x", b"y")]


def test_a_request_goes_as_far_as_the_windows() -> None:
    talk = Talk("POST", hello=settings({4: 5}))
    stream = talk.codec.streams[1]
    talk.codec.send(stream, b"abcdefgh", end=True, trailers=Fields([(b"x", b"y")]))
    assert talk.said() == ["1 DATA abcde"]
    talk.receive(window_update(1, 2))
    assert talk.said() == ["1 DATA fg"]
    talk.receive(settings({4: 6}))
    assert talk.said() == ["1 DATA h", "1 HEADERS x=y END"]


def test_windows_are_given_back_as_bodies_are_read() -> None:
    talk = Talk("GET")
    talk.receive(headers(1, OK, end=False) + data(1, bytes(16384)) * 8)
    assert talk.said() == []
    talk.codec.consumed(1, 8 * 16384)
    assert talk.said() == ["1 WINDOW_UPDATE 131072"]


def test_what_comes_for_a_stream_that_was_given_up_is_let_pass() -> None:
    """It was on its way. Its part of the window of the connection is given back."""
    talk = Talk("GET", "GET")
    talk.codec.reset(talk.codec.streams[1], 8)
    assert talk.said() == ["1 RST_STREAM CANCEL"]
    late = headers(1, OK, end=False) + data(1, bytes(16384)) * 3 + rst_stream(1)
    for _ in range(WINDOW // (3 * 16384) + 1):
        assert talk.receive(late[: -len(rst_stream(1))]) == []
    assert talk.receive(rst_stream(1) + headers(3, OK))[0] == ResponseHead(200, Fields(), 0, "2", True, 3)


# What the origin takes, and does not.


def test_as_many_streams_as_the_origin_says() -> None:
    talk = Talk(hello=b"")
    for _ in range(STREAMS):
        assert talk.codec.room
        talk.ask("GET")
    assert not talk.codec.room  # until it has said how many it takes
    talk.receive(settings())
    assert talk.codec.room
    talk.receive(settings({3: STREAMS}))
    assert not talk.codec.room
    talk.receive(headers(1, OK))
    assert talk.codec.room


@pytest.mark.parametrize(("code", "unprocessed"), [(7, True), (8, False), (2, False), (11, False)])
def test_a_stream_that_the_origin_resets(code: int, unprocessed: bool) -> None:
    talk = Talk("POST", "GET")
    (reset,) = talk.receive(rst_stream(1, code))
    assert isinstance(reset, Reset)
    assert (reset.stream, reset.unprocessed, reset.error.failure.type) == (1, unprocessed, "connection_terminated")
    assert set(talk.codec.streams) == {3}


def test_an_answer_that_is_cut_off() -> None:
    talk = Talk("GET")
    *_, reset = talk.receive(headers(1, OK, end=False) + data(1, b"hel") + rst_stream(1, 0))
    assert isinstance(reset, Reset)
    assert (reset.unprocessed, reset.error.failure.type) == (False, "http_response_incomplete")


def test_what_the_origin_will_not_look_at() -> None:
    talk = Talk("GET", "GET", "GET")
    resets = talk.receive(goaway(1))
    assert [(each.stream, each.unprocessed) for each in resets if isinstance(each, Reset)] == [(3, True), (5, True)]
    assert talk.codec.going
    assert not talk.codec.room
    assert not talk.codec.over
    assert talk.receive(headers(1, OK)) == [ResponseHead(200, Fields(), 0, "2", True, 1), End(None, 1)]


def test_an_end_in_two_steps() -> None:
    talk = Talk("GET", "GET")
    assert talk.receive(goaway(2**31 - 1)) == []
    assert (talk.codec.going, set(talk.codec.streams)) == (True, {1, 3})
    assert [type(each) for each in talk.receive(goaway(1))] == [Reset]


def test_pings_and_settings_are_answered() -> None:
    talk = Talk()
    assert talk.receive(frame(PING, 0, 0, b"12345678") + settings({1: 0})) == []
    assert frame(SETTINGS, ACK, 0) in (out := talk.codec.take())
    assert frame(PING, ACK, 0, b"12345678") in out


def test_nothing_of_a_request_is_kept_for_the_next() -> None:
    """Requests of many clients share a connection: a table would let one find out what another said."""
    talk = Talk("GET")
    secret: list[Line] = [*GET, (b"cookie", b"s3cret"), (b"x", b"y")]
    sizes = []
    for _ in range(2):
        talk.codec.send_fields(talk.codec.open("GET"), secret, end=True)
        sizes.append(len(talk.codec.take()))
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("method", "authority", "target"),
    [("G T", "a", "/"), ("GET", "a b", "/"), ("GET", "a", "/\r\nx: y"), ("GET", "a", ""), ("", "a", "/")],
)
def test_requests_that_a_stage_must_not_make(method: str, authority: str, target: str) -> None:
    with pytest.raises(ProxyError, match="proxy_internal_error"):
        request_lines(method, "http", authority, target, [], 0)


# Whatever comes.

SCRIPT = st.lists(
    st.one_of(
        st.builds(frame, st.integers(0, 11), st.integers(0, 255), st.integers(0, 8), st.binary(max_size=20)),
        st.sampled_from(
            [
                headers(1, OK), headers(3, OK, end=False), headers(5, OK), data(3, b"abc"), data(3, b"d", end=True),
                headers(3, [("x", "y")]), headers(5, [(":status", "103")], end=False), rst_stream(1), rst_stream(3, 7),
                window_update(0, 100), window_update(3, 100), settings({4: 10}), settings({1: 0}), settings({3: 1}),
                frame(PING, 0, 0, bytes(8)), goaway(3), goaway(2**31 - 1), frame(RST_STREAM, 0, 5, bytes(4)),
                frame(WINDOW_UPDATE, 0, 5, bytes(4)),
            ]
        ),
        st.binary(max_size=30),
    ),
    max_size=12,
)  # fmt: skip


@given(SCRIPT, st.lists(st.integers(0, 600)))
def test_the_reads_do_not_matter(script: list[bytes], cuts: list[int]) -> None:
    wire = settings() + b"".join(script)
    one, many = (Talk("GET", "POST", "HEAD", hello=b"") for _ in range(2))
    expected = [_plain(event) for event in one.receive(wire)]
    at = sorted({0, len(wire), *(cut for cut in cuts if cut < len(wire))})
    found = [_plain(event) for i, j in itertools.pairwise(at) for event in many.receive(wire[i:j])]
    assert found == expected
    assert many.codec.take() == one.codec.take()


def _plain(event: Event) -> object:
    match event:
        case Reset():
            return (str(event.error), event.stream, event.unprocessed)
        case ProxyError():
            return str(event)
    return event
