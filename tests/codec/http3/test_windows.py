"""How much of bodies there is in memory, on either side."""

from __future__ import annotations

from proxy.codec.events import Data
from proxy.codec.quic.connection import AHEAD, MOST_AHEAD
from proxy.codec.quic.identity import STREAM_WINDOW, WINDOW
from tests.codec.http3.talk import GET, POST, Talk, frame, headers


def received(talk: Talk, number: int) -> int:
    return sum(len(event.data) for event in talk.events if isinstance(event, Data) and event.stream == number)


def test_a_body_that_nobody_reads_stops_its_client() -> None:
    talk = Talk()
    talk.write(headers(*POST) + frame(0, bytes(3 * WINDOW)), number=0)
    first = received(talk, 0)
    assert STREAM_WINDOW - 300 < first <= STREAM_WINDOW
    talk.turn()
    assert received(talk, 0) == first
    talk.write(headers(*POST) + frame(0, b"another"), number=4)
    assert received(talk, 4) == len(b"another"), "others go on"
    consumed = 0
    while consumed < 3 * WINDOW:
        there = received(talk, 0)
        assert 0 < there - consumed <= STREAM_WINDOW
        talk.server.consumed(0, there - consumed)
        consumed = there
        talk.turn()


def test_bodies_together_stop_their_client() -> None:
    talk = Talk()
    for number in range(0, 40, 4):
        talk.client.send_stream_data(number, headers(*POST) + frame(0, bytes(STREAM_WINDOW)))
    talk.turn()
    total = sum(received(talk, number) for number in range(0, 40, 4))
    assert WINDOW - 10_000 < total <= WINDOW


def test_a_client_that_does_not_read_holds_the_response_back() -> None:
    talk = Talk()
    talk.client._write_stream_limits = lambda *_, **__: None  # type: ignore[method-assign]
    talk.client._write_connection_limits = lambda *_, **__: None  # type: ignore[method-assign]
    talk.request(headers(*GET))
    stream = talk.server.streams[0]
    talk.server.send_fields(stream, [(b":status", b"200")], end=False)
    body = bytes(4 * WINDOW)
    talk.server.send(stream, body, end=True)
    for _ in range(3):
        talk.turn()
    window = 1 << 20
    assert stream.waiting
    assert window - 100 < len(talk.said[0]) <= window
    assert stream.sent - window <= AHEAD + MOST_AHEAD
    assert talk.server.pump() == []


def test_a_large_response_arrives_whole() -> None:
    talk = Talk()
    talk.request(headers(*GET))
    stream = talk.server.streams[0]
    talk.server.send_fields(stream, [(b":status", b"200")], end=False)
    body = bytes(range(256)) * 4096
    talk.server.send(stream, body, end=True)
    while stream.sending:
        talk.turn()
    talk.turn()
    assert 0 in talk.ended
    assert talk.server.quic.delivered
    assert len(body) < len(talk.said[0]) < len(body) * 1.001
