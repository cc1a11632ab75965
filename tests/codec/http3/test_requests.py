"""Requests of HTTP/3 as events, and what is no request (RFC 9114 §4.1, §4.3)."""

from __future__ import annotations

import pytest

from proxy.codec.events import Data, End, RequestHead, Reset
from proxy.codec.limits import Limits
from tests.codec.http3.talk import GET, POST, Line, Talk, frame, headers, section

MESSAGE_ERROR, REQUEST_INCOMPLETE = 0x10E, 0x10D


def test_a_request() -> None:
    talk = Talk()
    head, end = talk.request(headers(*GET[:3], (b":path", b"/a?b=c"), (b"user-agent", b"x")))
    assert isinstance(head, RequestHead)
    assert (head.method, head.authority, head.path, head.query, head.version) == ("GET", "a", "/a", "b=c", "3")
    assert head.fields.lines == [(b"user-agent", b"x")]
    assert (head.length, end) == (0, End(None, 0))


def test_a_body_and_trailers() -> None:
    talk = Talk()
    events = talk.request(headers(*POST), frame(0, b"one"), frame(0), frame(0, b"two"), headers((b"x-sum", b"1")))
    assert isinstance(events[0], RequestHead)
    assert events[0].length is None
    assert events[1:3] == [Data(b"one", 0), Data(b"two", 0)]
    assert isinstance(events[3], End)
    assert events[3].trailers is not None
    assert events[3].trailers.lines == [(b"x-sum", b"1")]


def test_byte_by_byte() -> None:
    talk = Talk()
    data = headers(*POST, (b"content-length", b"5")) + frame(0x21, b"grease") + frame(0, b"hello")
    events = [event for byte in data[:-1] for event in talk.write(bytes((byte,)), number=0)]
    events += talk.write(data[-1:], number=0, end=True)
    assert isinstance(events[0], RequestHead)
    assert b"".join(event.data for event in events if isinstance(event, Data)) == b"hello"
    assert events[-1] == End(None, 0)


@pytest.mark.parametrize(
    "lines",
    [
        GET[1:],  # no method
        GET[:1] + GET[2:],  # no scheme
        GET[:2] + GET[3:],  # no authority
        GET[:3],  # no path
        (*GET, (b":path", b"/b")),
        ((b"x", b"y"), *GET),
        (*GET, (b":status", b"200")),
        (*GET, (b":protocol", b"websocket")),
        (*GET[:3], (b":path", b"")),
        (*GET[:3], (b":path", b"/a b")),
        (*GET[:3], (b":path", b"/a#b")),
        (*GET[:3], (b":path", b"http://a/")),
        (*GET[:2], (b":authority", b"a/b"), GET[3]),
        (*GET[:2], (b":authority", b"u@a"), GET[3]),
        (GET[0], (b":scheme", b"ftp"), *GET[2:]),
        ((b":method", b"G ET"), *GET[1:]),
        (*GET, (b"Upper", b"case")),
        (*GET, (b"a b", b"c")),
        (*GET, (b"", b"c")),
        (*GET, (b"x", b"a\r\nb: c")),
        (*GET, (b"x", b"a\0b")),
        (*GET, (b"x", b" a")),
        (*GET, (b"connection", b"close")),
        (*GET, (b"transfer-encoding", b"chunked")),
        (*GET, (b"upgrade", b"websocket")),
        (*GET, (b"keep-alive", b"1")),
        (*GET, (b"proxy-connection", b"close")),
        (*GET, (b"te", b"gzip")),
        (*GET, (b"host", b"b")),
        (*GET, (b"host", b"a"), (b"host", b"a")),
        (*GET, (b"content-length", b"1")),
        (*GET, (b"content-length", b"0"), (b"content-length", b"0")),
        (*GET, (b"content-length", b"-1")),
        (*GET, (b"content-length", b"0x0")),
    ],
)
def test_what_is_no_request_is_reset_and_reaches_nobody(lines: tuple[Line, ...]) -> None:
    talk = Talk()
    events = talk.request(headers(*lines))
    assert [type(event) for event in events] == [Reset]
    assert isinstance(events[0], Reset)
    assert not events[0].answerable
    assert (talk.resets, talk.closed) == ({0: MESSAGE_ERROR}, None)
    assert talk.request(headers(*GET))[0].stream == 4, "the connection goes on"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "frames",
    [
        [headers(*POST, (b"content-length", b"5")), frame(0, b"four")],
        [headers(*POST, (b"content-length", b"5")), frame(0, b"sixsix")],
        [headers(*POST, (b"content-length", b"5"))],
        [headers(*POST), headers((b":path", b"/"))],
        [headers(*POST), headers((b"Upper", b"x"))],
        [headers(*POST), headers((b"transfer-encoding", b"chunked"))],
    ],
)
def test_what_does_not_stay_a_request(frames: list[bytes]) -> None:
    talk = Talk()
    events = talk.request(*frames)
    assert not any(isinstance(event, End) for event in events)
    assert isinstance(events[-1], Reset)
    assert talk.resets == {0: MESSAGE_ERROR}


def test_a_request_without_a_head() -> None:
    talk = Talk()
    assert isinstance(talk.request(b"")[0], Reset)
    assert talk.resets == {0: REQUEST_INCOMPLETE}


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (((b":method", b"CONNECT"), (b":authority", b"a:443")), 501),
        (((b":method", b"TRACE"), *GET[1:]), 501),
        ((*GET, *((b"x-%d" % n, b"1") for n in range(101))), 431),
        ((*GET, (b"x", b"a" * 33_000)), 431),
        ((*GET[:3], (b":path", b"/" + b"a" * 9_000)), 414),
        ((*GET, (b"expect", b"something")), 417),
    ],
)
def test_what_is_answered_without_being_asked(lines: tuple[Line, ...], status: int) -> None:
    talk = Talk()
    (event,) = talk.request(headers(*lines))
    assert isinstance(event, Reset)
    assert event.answerable
    assert event.error.status == status
    stream = talk.server.streams[0]
    talk.server.send_fields(stream, [(b":status", b"%d" % status)], end=True)
    talk.turn()
    assert talk.ended == {0}
    assert talk.said[0]


def test_a_small_section_of_many_lines_is_a_bomb() -> None:
    """One byte each for lines of the static table: what they add up to is counted as they are read."""
    talk = Talk()
    (event,) = talk.request(frame(1, section(*GET) + b"\xd8" * 10_000))
    assert isinstance(event, Reset)
    assert event.error.status == 431


def test_a_body_that_is_too_long() -> None:
    talk = Talk(limits=Limits(body=10))
    events = talk.request(headers(*POST), frame(0, b"eight.."), frame(0, b"and more"))
    assert [type(event) for event in events] == [RequestHead, Data, Reset]
    assert isinstance(events[2], Reset)
    assert events[2].error.status == 413
