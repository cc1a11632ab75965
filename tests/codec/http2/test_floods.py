"""What costs a client nothing and would cost us much. Each of these is an attack that has a name."""

from __future__ import annotations

import pytest

from proxy.codec.events import RequestHead, Reset
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
    PADDED,
    PING,
    POST,
    PRIORITY,
    SETTINGS,
    block,
    data,
    frame,
    headers,
    rst_stream,
    settings,
    window_update,
)


def flooded(talk: Talk, wire: bytes, most: int) -> bool:
    """Whether so many of these end the connection, in peace otherwise."""
    for _ in range(most):
        talk.receive(wire)
        if talk.codec.over:
            return talk.said()[-1].endswith("ENHANCE_YOUR_CALM")
        talk.said()
    return False


FLOODS = {
    "ping": frame(PING, 0, 0, bytes(8)),
    "settings": settings({3: 100}),
    "settings acknowledged": frame(SETTINGS, ACK, 0),
    "priority": frame(PRIORITY, 0, 1, bytes(5)),
    "window in small steps": window_update(0, 1),
    "frames that nobody knows": frame(200, 0, 0, b"x"),
    "goaway": frame(GOAWAY, 0, 0, bytes(8)),
}


@pytest.mark.parametrize("wire", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_of_frames_that_lead_to_nothing(wire: bytes) -> None:
    assert flooded(Talk(), wire, 1100)


def test_the_same_at_leisure_is_no_flood() -> None:
    talk = Talk()
    for _ in range(5000):
        talk.now += 0.02
        assert talk.receive(frame(PING, 0, 0, bytes(8))) == []
        assert talk.said() == ["PING ACK"]


def test_a_flood_of_empty_data() -> None:
    talk = Talk()
    talk.receive(headers(1, POST, end=False))
    assert flooded(talk, data(1, b""), 1100)


def test_a_flood_of_padding() -> None:
    talk = Talk()
    talk.receive(headers(1, POST, end=False))
    assert flooded(talk, frame(DATA, PADDED, 1, b"\xff" + bytes(255)), 1100)


def test_rapid_reset() -> None:
    """CVE-2023-44487: every request is given up at once."""
    talk = Talk()
    for number in range(1, 1000, 2):
        talk.receive(headers(number, GET) + rst_stream(number))
        assert not talk.codec.streams
        if talk.codec.over:
            break
    assert talk.said()[-1].endswith("ENHANCE_YOUR_CALM")


def test_made_you_reset() -> None:
    """CVE-2025-8671: the client breaks a rule, so that we are who resets the stream."""
    talk = Talk()
    for number in range(1, 1000, 2):
        talk.receive(headers(number, [*POST, ("content-length", "1")], end=False) + data(number, b"ab"))
        assert not talk.codec.streams
        if talk.codec.over:
            break
    assert talk.said()[-1].endswith("ENHANCE_YOUR_CALM")


def test_who_gives_up_some_of_many_requests_is_no_attacker() -> None:
    talk = Talk()
    for number in range(1, 8001, 8):
        talk.receive(headers(number, GET) + headers(number + 2, GET) + headers(number + 4, GET))
        talk.receive(rst_stream(number))
        talk.answer(number + 2)
        talk.answer(number + 4)
        assert not talk.codec.over


def test_a_page_that_is_left_while_it_loads_is_no_attack() -> None:
    talk = Talk()
    numbers = range(1, 161, 2)
    talk.receive(b"".join(headers(number, GET) for number in numbers))
    talk.receive(b"".join(rst_stream(number) for number in numbers))
    assert not talk.codec.over


def test_a_flood_of_continuation() -> None:
    """CVE-2024-27316 and its kin: a section that does not end, of empty frames or of full ones."""
    for piece in (b"", block([("x", "a" * 1000)])):
        talk = Talk()
        talk.receive(frame(HEADERS, END_STREAM, 1, block(GET)))
        assert flooded(talk, frame(CONTINUATION, 0, 1, piece), 40)


def test_a_header_bomb() -> None:
    """A few kilobytes that stand for megabytes: answered, and not kept."""
    talk = Talk()
    bomb = b"\x40\x01a" + b"\x7f" + bytes([0x80 | (3900 - 127) & 0x7F, (3900 - 127) >> 7]) + b"v" * 3900
    wire = frame(HEADERS, END_HEADERS | END_STREAM, 1, block(GET) + bomb + b"\xbe" * 10_000)
    (event,) = talk.receive(wire)
    assert isinstance(event, Reset)
    assert (event.answerable, event.error.status) == (True, 431)
    after = talk.receive(frame(HEADERS, END_HEADERS | END_STREAM, 3, block(GET) + b"\xbe"))
    assert isinstance(after[0], RequestHead)
    assert after[0].fields == Fields([(b"a", b"v" * 3900)])


def test_more_streams_than_there_may_be() -> None:
    talk = Talk()
    talk.receive(b"".join(headers(number, GET) for number in range(1, 201, 2)))
    assert talk.said() == []
    assert talk.receive(headers(201, GET)) == []
    assert talk.said() == ["201 RST_STREAM REFUSED_STREAM"]
    talk.answer(1)
    talk.said()
    assert isinstance(talk.receive(headers(203, GET))[0], RequestHead)


def test_more_data_than_the_window() -> None:
    talk = Talk()
    talk.receive(headers(1, POST, end=False))
    for _ in range(16):
        talk.receive(data(1, bytes(16384)))
    assert not talk.codec.over
    talk.receive(data(1, b"x"))
    assert talk.said()[-1] == "GOAWAY 1 FLOW_CONTROL_ERROR"
