"""What ends an HTTP/3 connection (RFC 9114 §8.1), and how it goes away."""

from __future__ import annotations

import pytest

from proxy.codec.events import Data, RequestHead, Reset
from proxy.errors import ProxyError
from tests.codec.http3.talk import GET, POST, SETTINGS, Talk, frame, headers, integer, section

STREAM_CREATION, CLOSED_CRITICAL, UNEXPECTED, FRAME_ERROR, LOAD, ID, SETTINGS_ERROR, MISSING = range(0x103, 0x10B)
REJECTED, CANCELLED = 0x10B, 0x10C
DECOMPRESSION, ENCODER_STREAM, DECODER_STREAM = 0x200, 0x201, 0x202


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0, b"x") + headers(*GET), UNEXPECTED),  # DATA before HEADERS
        (headers(*POST) + headers((b"x", b"y")) + frame(0, b"x"), UNEXPECTED),  # behind the trailers
        (headers(*POST) + headers((b"x", b"y")) + headers((b"x", b"y")), UNEXPECTED),
        *((frame(kind) + headers(*GET), UNEXPECTED) for kind in (2, 3, 4, 5, 6, 7, 8, 9, 13)),
        (frame(1, section(*GET))[:-1], FRAME_ERROR),
        (headers(*POST) + frame(0, b"body")[:-1], FRAME_ERROR),
        (headers(*POST) + b"\0", FRAME_ERROR),
        (frame(1), DECOMPRESSION),
        (frame(1, b"\0"), DECOMPRESSION),
        (frame(1, b"\1\0" + section(*GET)[2:]), DECOMPRESSION),  # needs an insertion
        (frame(1, b"\0\1" + section(*GET)[2:]), DECOMPRESSION),
        (frame(1, b"\0\0\x80"), DECOMPRESSION),  # of the dynamic table
        (frame(1, b"\0\0\x10"), DECOMPRESSION),
        (frame(1, b"\0\0\x40\0"), DECOMPRESSION),
        (frame(1, b"\0\0\xff\x24"), DECOMPRESSION),  # the 100th line of the static table
        (frame(1, b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), DECOMPRESSION),
        (frame(1, section(*GET)[:-2]), DECOMPRESSION),
        (frame(1, b"\0\0\x2c\xff\xff\xff\xff\x00a"), DECOMPRESSION),  # EOS within a Huffman string
    ],
)
def test_with_a_request(data: bytes, code: int) -> None:
    talk = Talk()
    events = talk.request(data)
    assert isinstance(events[-1], ProxyError)
    assert talk.closed == code
    assert talk.server.over


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\0" + frame(0, b"x"), MISSING),
        (b"\0" + frame(7, integer(0)), MISSING),
        (SETTINGS + frame(4), UNEXPECTED),
        *((SETTINGS + frame(kind), UNEXPECTED) for kind in (0, 1, 2, 5, 6, 8, 9)),
        (b"\0" + frame(4, integer(6)), FRAME_ERROR),
        (b"\0" + frame(4, (integer(6) + integer(1)) * 2), SETTINGS_ERROR),
        *((b"\0" + frame(4, integer(name) + integer(1)), SETTINGS_ERROR) for name in (2, 3, 4, 5)),
        (b"\0" + frame(4, b"x" * 5_000), LOAD),
        (SETTINGS + frame(3, integer(1)), ID),
        (SETTINGS + frame(13, integer(5)) + frame(13, integer(4)), ID),
        (SETTINGS + frame(7, integer(4)) + frame(7, integer(8)), ID),
        (SETTINGS + frame(7), FRAME_ERROR),
        (SETTINGS + frame(7, integer(4) + b"x"), FRAME_ERROR),
        (b"\1", STREAM_CREATION),
        (b"\2\x3f\x01", ENCODER_STREAM),  # a table of some size
        (b"\2\x41a\1b", ENCODER_STREAM),
        (b"\3\x80", DECODER_STREAM),
        (b"\3\x01", DECODER_STREAM),
        (b"\3\x7f" + b"\xff" * 20, DECODER_STREAM),
    ],
)
def test_on_a_stream_without_a_request(data: bytes, code: int) -> None:
    talk = Talk(greet=False)
    talk.write(data, number=2)
    assert talk.closed == code


@pytest.mark.parametrize("kind", [0, 2, 3])
def test_streams_that_have_to_stay(kind: int) -> None:
    begun = SETTINGS if kind == 0 else integer(kind)
    talk = Talk(greet=False)
    talk.write(begun, number=2, end=True)
    assert talk.closed == CLOSED_CRITICAL
    talk = Talk(greet=False)
    talk.write(begun, number=2)
    talk.client.reset_stream(2, 0)
    talk.turn()
    assert talk.closed == CLOSED_CRITICAL
    talk = Talk(greet=False)
    talk.write(begun, number=2)
    talk.write(begun, number=6)
    assert talk.closed == STREAM_CREATION


def test_what_is_not_known_is_ignored() -> None:
    talk = Talk(greet=False)
    greeting = b"\0" + frame(4, integer(6) + integer(10_000) + integer(0x21) + integer(9)) + frame(0x40, b"x" * 9_000)
    for n in range(0, len(greeting), 1000):
        talk.write(greeting[n : n + 1000], number=2)
    talk.write(b"\2\x20", number=6)
    talk.write(b"\3\x44\x7f\x90\x01", number=10)
    talk.write(integer(0x21) + b"something", number=14)
    assert (talk.closed, talk.stops) == (None, {14: STREAM_CREATION})
    assert isinstance(talk.request(headers(*GET))[0], RequestHead)


def test_what_we_say_first() -> None:
    talk = Talk()
    assert talk.said[3] == b"\0" + frame(4, b"".join(map(integer, (1, 0, 7, 0, 6, 32 * 1024))))


def test_no_request_can_be_replayed() -> None:
    """Early data (RFC 9001 §4.6.1) needs a ticket of an earlier session."""
    talk = Talk()
    talk.request(headers(*GET))
    assert talk.ready
    assert talk.tickets == []


def test_going_away_takes_what_is_on_its_way() -> None:
    talk = Talk()
    talk.write(headers(*POST))
    talk.server.go_away()
    assert isinstance(talk.request(headers(*GET))[0], RequestHead)
    assert talk.server.ponged
    talk.server.take_no_more()
    assert talk.request(headers(*GET)) == []
    assert (talk.resets, talk.stops) == ({8: REJECTED}, {})  # nothing of it was still to come
    assert talk.write(frame(0, b"x"), number=0) == [Data(b"x", 0)]
    goaways = frame(7, integer((1 << 62) - 4)) + frame(7, integer(8))
    assert talk.said[3].endswith(goaways)


def test_a_client_that_gives_up() -> None:
    talk = Talk()
    talk.write(headers(*POST))
    talk.client.reset_stream(0, CANCELLED)
    (event,) = talk.turn()
    assert isinstance(event, Reset)
    assert not event.answerable
    assert (talk.server.streams, talk.resets) == ({}, {0: CANCELLED})
    talk.request(headers(*GET))
    talk.client.stop_stream(4, CANCELLED)
    (event,) = talk.turn()
    assert isinstance(event, Reset)
    assert talk.server.streams == {}
    assert talk.closed is None


def test_rapid_reset_is_paid_for() -> None:
    talk = Talk()
    for n in range(0, 800, 4):
        if talk.closed is not None:
            break
        talk.client.send_stream_data(n, headers(*POST))
        talk.turn()
        talk.client.reset_stream(n, CANCELLED)
        talk.turn()
    assert talk.closed == LOAD


@pytest.mark.parametrize("flood", [frame(0x21), frame(0, b"x"), frame(0)])
def test_frames_that_lead_to_nothing_are_paid_for(flood: bytes) -> None:
    talk = Talk()
    talk.write(headers(*POST) + flood * 1_100, number=0)
    assert talk.closed == LOAD


def test_no_more_than_a_hundred_requests_at_once() -> None:
    talk = Talk()
    for n in range(0, 4 * 150, 4):
        talk.client.send_stream_data(n, headers(*POST))
    talk.turn()
    assert len(talk.server.streams) == 100
    for stream in list(talk.server.streams.values())[:50]:
        talk.client.send_stream_data(stream.id, b"", end_stream=True)
        talk.turn()
        talk.server.send_fields(stream, [(b":status", b"200")], end=True)
    talk.turn()
    assert len(talk.server.streams) in range(90, 101)
